"""Ten bugs on purpose, each of which some seed has to find: a simulation that finds none of them proves nothing.

`python -m simulation.planted [SEEDS]` plants one after the other and counts the seeds that find it.
"""

import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import attrs
import trio
from outcome import Value

from chatsrv.bus import Blob
from chatsrv.client.link import Link
from chatsrv.client.position import Position
from chatsrv.groups.channel import Channels, _Channel
from chatsrv.groups.wire import event_of
from chatsrv_protocol import encode
from chatsrv_protocol.redpack import PacketShare
from chatsrv_redpack import State
from chatsrv_storage import batch, packets, standing, turn
from chatsrv_storage.inline import InlineStorage
from chatsrv_storage.records import Record
from simulation.story import tell


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Generator[None]:
    """Another attribute for a while."""
    original = owner.__dict__[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def a_failed_sync_is_acked() -> AbstractContextManager[None]:
    """The error of a COMMIT is swallowed: everybody is told that it went well."""
    original = batch._run_alone

    def run_alone(connection: Any, job: Any, disk_is_full: Any) -> Any:
        value: Any = None

        def kept(conn: Any) -> Any:
            nonlocal value
            value = job(conn)
            return value

        try:
            return original(connection, kept, disk_is_full)
        except Exception:
            return Value(value)

    return replaced(batch, "_run_alone", run_alone)


def acks_come_before_the_commit() -> AbstractContextManager[None]:
    """The channel tries the batch, answers, and only then has it stored."""
    original = _Channel._work

    async def work(self: Any, submissions: Any) -> bool:
        storage: InlineStorage = self._channels.storage
        conn = storage._writer
        if not conn.in_transaction:
            conn.execute("begin immediate")
            outcomes = self._job([submission.command for submission in submissions])(conn)
            conn.execute("rollback")
            for submission, outcome in zip(submissions, outcomes, strict=True):
                submission.done(outcome)
            await trio.sleep(0.2)
        return await original(self, submissions)

    return replaced(_Channel, "_work", work)


def a_retry_is_a_new_command() -> AbstractContextManager[None]:
    """The client makes a new client id when it sends a command again."""
    original = Link._send

    def send(self: Any, call: Any) -> None:
        if call.sent and hasattr(call.command, "client_id"):
            fresh = bytes(a ^ b for a, b in zip(call.command.client_id, bytes(8) + bytes(range(1, 9)), strict=True))
            call.command = attrs.evolve(call.command, client_id=fresh)
        original(self, call)

    return replaced(Link, "_send", send)


def who_left_may_still_speak() -> AbstractContextManager[None]:
    """The look at the membership forgets that a row stays after somebody left."""
    original = standing.member_state

    def member_state(conn: Any, group_id: int, user_id: int) -> Any:
        found = original(conn, group_id, user_id)
        if (
            found is None
            and conn.execute(
                "select 1 from group_member where group_id = ? and user_id = ?", (group_id, user_id)
            ).fetchone()
        ):
            conn.execute("savepoint look")
            conn.execute("update group_member set role = 1 where group_id = ? and user_id = ?", (group_id, user_id))
            found = original(conn, group_id, user_id)
            conn.execute("rollback to look")
            conn.execute("release look")
        return found

    return replaced(turn, "member_state", member_state)


def a_refund_leaves_the_packet_open() -> AbstractContextManager[None]:
    """The money goes back, and the packet is not closed."""
    original = packets.save

    def save(conn: Any, packet: Any) -> None:
        if packet.state is not State.EXPIRED:
            original(conn, packet)

    return replaced(packets, "save", save)


def a_share_is_answered_and_another_stored() -> AbstractContextManager[None]:
    """The amount in the answer is a cent too high."""
    original = PacketShare.__init__

    def init(self: Any, packet_id: int, cents: int, number: int, left: int) -> None:
        original(self, packet_id, cents + (left == 0), number, left)

    return replaced(PacketShare, "__init__", init)


def the_head_is_sometimes_forgotten() -> AbstractContextManager[None]:
    """Now and then the head of the sequence is not written, so that the next event takes a number that is taken."""
    original = turn.Turn.run

    def run(self: Any, commands: Any) -> Any:
        outcomes = original(self, commands)
        if self.group is not None and self.group.seq % 40 == 39:
            self.conn.execute("update chat_group set seq = seq - 1 where id = ?", (self.group_id,))
        return outcomes

    return replaced(turn.Turn, "run", run)


def the_client_ignores_gaps() -> AbstractContextManager[None]:
    """An event that comes after a hole is handed out, and the hole forgotten."""
    original = Position.live

    def live(self: Any, seq: int, event: Any, *, room: bool, hold: bool) -> bool:
        if self.following and seq > self.taken + 1:
            self.taken = seq - 1
        return original(self, seq, event, room=room, hold=hold)

    return replaced(Position, "live", live)


def events_are_told_that_were_never_stored() -> AbstractContextManager[None]:
    """After every fiftieth event another is told that nobody sent, under the number that the next will get."""
    original = Channels.tell

    def tell_a_ghost(self: Any, group_id: int, outcomes: Any) -> None:
        original(self, group_id, outcomes)
        for outcome in outcomes:
            for effect in getattr(outcome, "effects", ()):
                if isinstance(effect, Record) and effect.kind == "text" and effect.seq % 50 == 0:
                    ghost = attrs.evolve(effect, seq=effect.seq + 1, id=effect.id + 1)
                    self.bus.publish(group_id, Blob(encode(event_of(ghost)), 1))

    return replaced(Channels, "tell", tell_a_ghost)


@contextmanager
def nothing() -> Generator[None]:
    """No change of the code."""
    yield


Planted = tuple[Callable[[], AbstractContextManager[None]], str]

BUGS: Final[dict[str, Planted]] = {
    "NORMAL instead of FULL": (nothing, "NORMAL"),
    "a failed sync is acked": (a_failed_sync_is_acked, "FULL"),
    "acks come before the commit": (acks_come_before_the_commit, "FULL"),
    "a retry is a new command": (a_retry_is_a_new_command, "FULL"),
    "who left may still speak": (who_left_may_still_speak, "FULL"),
    "a refund leaves the packet open": (a_refund_leaves_the_packet_open, "FULL"),
    "a share is answered and another stored": (a_share_is_answered_and_another_stored, "FULL"),
    "the head is sometimes forgotten": (the_head_is_sometimes_forgotten, "FULL"),
    "the client ignores gaps": (the_client_ignores_gaps, "FULL"),
    "events are told that were never stored": (events_are_told_that_were_never_stored, "FULL"),
}


def finds(bug: str, seed: int, seconds: float = 600.0) -> str | None:
    """What the seed says about the planted bug; None if it finds nothing."""
    plant, synchronous = BUGS[bug]
    try:
        with plant():
            tell(seed, seconds, synchronous)  # pyright: ignore[reportArgumentType]
    except BaseExceptionGroup as group:
        leaf: BaseException = group
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        return f"{type(leaf).__name__}: {leaf}"[:120]
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:120]
    return None


def main() -> None:
    """Each in a process of its own, since a planted bug may also hang: then it is found, too."""
    if sys.argv[1:2] == ["--one"]:
        print(finds(sys.argv[2], int(sys.argv[3])) or "")
        return
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for bug in BUGS:
        found = [_in_a_process(bug, seed) for seed in range(seeds)]
        said = next((what for what in found if what), "nothing")
        print(f"{bug}: found in {sum(bool(what) for what in found)} of {seeds} seeds: {said}", flush=True)


def _in_a_process(bug: str, seed: int) -> str:
    command = [sys.executable, "-m", "simulation.planted", "--one", bug, str(seed)]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    except subprocess.TimeoutExpired:
        return "it hangs"


if __name__ == "__main__":
    main()
