"""Bugs on purpose, each of which some seed has to find: a simulation that finds none of them proves nothing.

`python -m simulation.planted [SEEDS]` plants one after the other and counts the seeds that find it.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import attrs
import trio
from outcome import Value

from chatsrv.bus.parcels import EventFrame, Parcel
from chatsrv.client.connection.connection import ServerConnection
from chatsrv.client.following.position import ReadPosition
from chatsrv.groups.channel import Channels, _Channel, _outcome_of
from chatsrv.groups.wire import event_of
from chatsrv.media.store import local
from chatsrv_protocol import encode
from chatsrv_protocol.redpack import PacketShare
from chatsrv_redpack import PacketState
from chatsrv_storage.engine import batch
from chatsrv_storage.engine.connection import Synchronous
from chatsrv_storage.engine.inline import InlineStorage
from chatsrv_storage.groups import group_state, transaction
from chatsrv_storage.groups.models import EventRecord
from chatsrv_storage.messages import media
from chatsrv_storage.messages.bulk_post import GroupJob
from chatsrv_storage.money import packets
from simulation.hang import Hang, bounded_cpu
from simulation.nodes import ClusterWorld
from simulation.planted_nodes import NODE_BUGS
from simulation.replaced import replaced
from simulation.story import Found, tell
from simulation.world import World


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
    original = _Channel._begin

    def begin(self: Any) -> None:
        storage: InlineStorage = self._channels.storage
        conn, job = storage._writer, self._job
        if self._nursery is None or conn.in_transaction:
            original(self)
            return
        self.working = True
        conn.execute("begin immediate")
        job.on_batch_start()
        batch = self._batch
        outcomes = job(conn)
        conn.execute("rollback")
        for submission, outcome in zip(batch, outcomes, strict=True):
            submission.done(outcome)

        async def store() -> None:
            await trio.sleep(0.2)
            again = GroupJob(job.group_id, job.ids, lambda: self._bind(batch))
            self._finish(await _outcome_of(storage, again))

        self._nursery.start_soon(store)

    return replaced(_Channel, "_begin", begin)


def a_retry_is_a_new_command() -> AbstractContextManager[None]:
    """The client makes a new client id when it sends a command again."""
    original = ServerConnection._send

    def send(self: Any, call: Any) -> None:
        if call.sent and hasattr(call.command, "client_id"):
            fresh = bytes(a ^ b for a, b in zip(call.command.client_id, bytes(8) + bytes(range(1, 9)), strict=True))
            call.command = attrs.evolve(call.command, client_id=fresh)
        original(self, call)

    return replaced(ServerConnection, "_send", send)


def who_left_may_still_speak() -> AbstractContextManager[None]:
    """The look at the membership forgets that a row stays after somebody left."""
    original = group_state.member_state

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

    return replaced(transaction, "member_state", member_state)


def a_refund_leaves_the_packet_open() -> AbstractContextManager[None]:
    """The money goes back, and the packet is not closed."""
    original = packets.save_all

    def save_all(conn: Any, saved: Any) -> None:
        original(conn, [packet for packet in saved if packet.state is not PacketState.EXPIRED])

    return replaced(packets, "save_all", save_all)


def a_share_is_answered_and_another_stored() -> AbstractContextManager[None]:
    """The amount in the answer is a cent too high."""
    original = PacketShare.__init__

    def init(self: Any, packet_id: int, cents: int, number: int, left: int) -> None:
        original(self, packet_id, cents + (left == 0), number, left)

    return replaced(PacketShare, "__init__", init)


def the_head_is_sometimes_forgotten() -> AbstractContextManager[None]:
    """Now and then the head of the sequence is not written, so that the next event takes a number that is taken."""
    original = transaction.GroupTransaction.run

    def run(self: Any, commands: Any) -> Any:
        outcomes = original(self, commands)
        if self.group is not None and self.group.seq % 40 == 39:
            self.conn.execute("update chat_group set seq = seq - 1 where id = ?", (self.group_id,))
        return outcomes

    return replaced(transaction.GroupTransaction, "run", run)


def the_client_ignores_gaps() -> AbstractContextManager[None]:
    """An event that comes after a hole is handed out, and the hole forgotten."""
    original = ReadPosition.live

    def live(self: Any, seq: int, event: Any, *, room: bool, hold: bool) -> bool:
        if self.following and seq > self.taken + 1:
            self.taken = seq - 1
        return original(self, seq, event, room=room, hold=hold)

    return replaced(ReadPosition, "live", live)


def events_are_told_that_were_never_stored() -> AbstractContextManager[None]:
    """After every fiftieth event another is told that nobody sent, under the number that the next will get."""
    original = Channels.publish_outcomes

    def tell_a_ghost(self: Any, group_id: int, outcomes: Any) -> None:
        original(self, group_id, outcomes)
        for outcome in outcomes:
            for effect in getattr(outcome, "effects", ()):
                if isinstance(effect, EventRecord) and effect.kind == "text" and effect.seq % 50 == 0:
                    ghost = attrs.evolve(effect, seq=effect.seq + 1, id=effect.id + 1)
                    self.bus.tell(
                        Parcel(group_id, ghost.seq, ghost.seq, [EventFrame(ghost.seq, encode(event_of(ghost)))])
                    )

    return replaced(Channels, "publish_outcomes", tell_a_ghost)


def a_medium_is_known_before_its_bytes_are_safe() -> AbstractContextManager[None]:
    """An upload's bytes get their name, and nobody syncs them or the folder."""
    original = local._publish

    def publish(part: Any, blob: Any, at: float) -> None:
        with replaced(local, "sync_folder", lambda _: None):
            original(part, blob, at)

    return replaced(local, "_publish", publish)


def a_recalled_medium_can_still_be_fetched() -> AbstractContextManager[None]:
    """A recall forgets the text, and not that the message carried a medium."""
    return replaced(media, "forget_use", lambda *_: None)


@contextmanager
def nothing() -> Generator[None]:
    """No change of the code."""
    yield


Planted = tuple[Callable[[], AbstractContextManager[None]], Synchronous]

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
    "a medium's bytes are not synced": (a_medium_is_known_before_its_bytes_are_safe, "FULL"),
    "a recalled medium can still be fetched": (a_recalled_medium_can_still_be_fetched, "FULL"),
}


def finds(bug: str, seed: int, seconds: float = 400.0) -> str | None:
    """What the seed says about the planted bug; None if it finds nothing."""
    plant, synchronous = (NODE_BUGS[bug], "FULL") if bug in NODE_BUGS else BUGS[bug]
    of = ClusterWorld if bug in NODE_BUGS else World
    try:
        with plant(), bounded_cpu():
            tell(seed, seconds, synchronous, drilled=False, of=of)
    except Found as found:
        return found.what
    except Hang as hang:
        return f"Hang: {hang}"
    return None


def main() -> None:
    """A table for docs/simulation.md."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    for bug in (*BUGS, *NODE_BUGS):
        said = [finds(bug, seed) for seed in range(seeds)]
        kinds = Counter(re.sub(r"p\d\.\d|\d+", "…", what.splitlines()[0])[:70] for what in said if what)
        print(
            f"| {bug} | {sum(map(bool, said))} of {seeds} | {next(filter(None, said), 'nothing')[:110]} |", flush=True
        )
        for what, count in kinds.most_common():
            print(f"      {count} x {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
