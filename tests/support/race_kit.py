"""Two nodes at the same thing: the second runs all of its job while the first has not committed, and may have to wait."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import attrs
import psycopg
import trio

from chatsrv_redpack import Mode, PacketLimits
from chatsrv_storage.engine.jobs import BatchJob
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import Actor, MembershipLimits
from chatsrv_storage.groups.transaction import Command, GroupCommand, Script
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages.bulk_post import GroupJob
from chatsrv_storage.messages.media import Medium, StoredUpload
from chatsrv_storage.money import packets
from support.nodes_kit import PEOPLE, Node, once_of
from support.server_kit import START_MS

ANN, BOB, CAT = PEOPLE[:3]
LONG_MS = 10**15

Act: TypeAlias = Callable[[Node], Callable[[SqlConnection], Any]]
"""What a node does: a job, made for it."""


class _GatedTurn(BatchJob):
    """A turn of a group that does not return before the gate is open."""

    def __init__(self, turn: GroupJob, hold: Callable[[], None]) -> None:
        super().__init__(turn.group_id)
        self._turn, self._hold = turn, hold

    def on_batch_start(self) -> None:
        self._turn.on_batch_start()

    def __call__(self, conn: SqlConnection) -> Any:
        result = self._turn(conn)
        conn.execute("select 1")  # what it wrote would else be sent with COMMIT
        self._hold()
        return result


def _gated(job: Callable[[SqlConnection], Any], hold: Callable[[], None]) -> Callable[[SqlConnection], Any]:
    """The job, which calls `hold` before it returns."""
    if isinstance(job, GroupJob):
        return _GatedTurn(job, hold)

    def run(conn: SqlConnection) -> Any:
        result = job(conn)
        hold()
        return result

    return run


@attrs.frozen
class Race:
    """What two nodes answered: values, the one outcome of a turn, or the error."""

    first: Any
    second: Any

    @property
    def codes(self) -> list[str]:
        """`ok` or the code of the refusal, sorted: for races that anybody may win."""
        return sorted(code_of(each) for each in (self.first, self.second))


def code_of(result: Any) -> str:
    """`ok`, or the code of a refusal. Whatever else was raised is raised."""
    if isinstance(result, Refusal):
        return result.code
    if isinstance(result, BaseException):
        raise result
    return "ok"


async def race(dsn: str, nodes: list[Node], first: Act, second: Act) -> Race:
    """Let the second act until it is done or waits for a lock, while the first has done everything but commit."""
    results: list[Any] = [None, None]
    gate = threading.Event()
    ran = trio.Event()
    ended = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def hold() -> None:
        token.run_sync_soon(ran.set)
        assert gate.wait(20)

    async def run(place: int, job: Callable[[SqlConnection], Any]) -> None:
        try:
            result = await nodes[place].storage.write(job)
        except Exception as error:  # the test looks at it
            result = error
        results[place] = result[0] if isinstance(result, list) and len(result) == 1 else result
        (ran if place == 0 else ended).set()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, 0, _gated(first(nodes[0]), hold))
            await ran.wait()
            nursery.start_soon(run, 1, second(nodes[1]))
            while not ended.is_set() and not await trio.to_thread.run_sync(partial(_somebody_waits, dsn)):
                await trio.sleep(0.003)
            gate.set()
    return Race(*results)


def _somebody_waits(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        ).fetchone()
        return row is not None and row[0] > 0


def turn(group_id: int, command: GroupCommand, limits: MembershipLimits | None = None) -> Act:
    """One command to a group."""

    def act(node: Node) -> Callable[[SqlConnection], Any]:
        return GroupJob(group_id, node.ids, lambda: (node.now_ms, [command]), limits or MembershipLimits())

    return act


def script(group_id: int, actor: Actor, what: Script[Any], limits: MembershipLimits | None = None) -> Act:
    """One script in a group, by somebody."""
    return turn(group_id, Command(actor, None, what), limits)


def job(what: Callable[[SqlConnection], Any]) -> Act:
    """A job that needs nothing of its node."""
    return lambda _: what


def picture(media_id: int, size: int = 10) -> Medium:
    """A medium that Ann uploaded."""
    return Medium(media_id, ANN.user_id, f"{media_id:064}", size, "image", "image/png", "p.png", {}, START_MS)


def upload(name: str, size: int = 10, key: str | None = None) -> StoredUpload:
    """An upload of Ann's that begins."""
    return StoredUpload(name, ANN.user_id, key, name, size, "file", "f", LONG_MS)


def prepare(packet_id: int) -> Script[Any]:
    """A promise of a packet of 100 cents for one."""
    return packets.prepare_packet(100, 1, Mode.LUCKY, None, packet_id, b"s" * 32, PacketLimits())


def send(packet_id: int) -> Script[Any]:
    """The packet of a promise."""
    return packets.send_packet(packet_id, b"c" * 32, "hi", PacketLimits())


__all__ = ["once_of"]
