"""A lane: a connection that writes, and the row of the database that says who writes on it.

Every transaction begins by counting up its lane's row. That row is four things:

    fence     a lane that was taken over has another epoch: what its old holder still has under way is not stored
    outcome   when the connection breaks in COMMIT, the next one reads whether the count was reached
    number    the node number of the ids that are given out under it; the next holder begins above what was reserved
    sign      that its holder lives

The outcome was tried with jobs that have no key of their own: in 14 breaks in COMMIT (a killed database, a killed and a
stopped primary under Patroni) each was applied exactly once (docs/cluster.md).
"""

import math
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import psycopg
from psycopg.pq.abc import PGresult

from chatsrv_storage.engine.snowflake import MAX_NODE, Snowflake
from chatsrv_storage.errors import DatabaseUnusable
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.errors import LaneLost, place_of, unusable
from chatsrv_storage.postgres.nodes import SERVER_LOCK, clock_fault, clock_offset
from chatsrv_storage.postgres.pipeline import Pipeline

RESERVED_MS: Final = 60_000
"""For how long ahead ids are reserved by each transaction: far longer than one may take."""

ABANDONED_SECONDS: Final = 60
"""A lane that nobody counted up for so long, by the database's clock, is anybody's."""

RETRY_SECONDS: Final = 0.1
"""Between two attempts to connect."""

_TAKE: Final = (
    "update lane set epoch = epoch + 1, node = $1, seen_at = now() where number ="
    f" (select number from lane where seen_at < now() - interval '{ABANDONED_SECONDS} seconds'"
    "   order by number limit 1 for update skip locked)"
    " returning number, epoch, batch, reserved_until"
)
_MAKE: Final = (
    f"insert into lane select n, 1, 0, 0, $1, now() from generate_series(0, {MAX_NODE}) n"
    " where not exists (select 1 from lane where number = n) order by n limit 1"
    " on conflict do nothing returning number, epoch, batch, reserved_until"
)
_COUNT: Final = (
    "update lane set batch = batch + 1, seen_at = now(), reserved_until = max(reserved_until, $3)"
    " where number = $1 and epoch = $2 returning batch, reserved_until"
)
_COUNT_AND_TRY_ONE: Final = (
    f"with counted as ({_COUNT}), tried as (select id, last_id from chat_group where id = $4"
    " for no key update skip locked) select batch, reserved_until, id, last_id from counted left join tried on true"
).encode()
_COUNT_AND_LOCK: Final = (
    f"with counted as ({_COUNT}), waited as (select id, last_id from chat_group where id = any($4) order by id"
    " for no key update) select batch, reserved_until, id, last_id from counted left join waited on true"
).encode()
_COUNT_AND_TRY_LOCK: Final = (
    f"with counted as ({_COUNT}), waited as (select id, last_id from chat_group where id = any($4) order by id"
    " for no key update), tried as (select id, last_id from chat_group where id = any($5) order by id"
    " for no key update skip locked) select batch, reserved_until, id, last_id"
    " from counted left join (select * from waited union all select * from tried) locked on true"
).encode()
_BEAT: Final = (
    "update lane set seen_at = now(), reserved_until = max(reserved_until, $3)"
    " where number = $1 and epoch = $2 returning reserved_until"
)
_LOCK: Final = b"select id, last_id from chat_group where id = $1 for no key update"
_RESERVE: Final = b"update lane set reserved_until = $2 where number = $1"


class GroupTaken(psycopg.Error):
    """A group was to be locked at once, and another node has it; or there is no such group."""


class Lane:
    """One writer's place in the database. Used by one thread; made and closed by the storage."""

    def __init__(
        self, dsn: str, node: str, ids: Snowflake, first: "Lane | None" = None, *, exclusive: bool = False
    ) -> None:
        """Make one of a node's lanes.

        ids:       what the node gives out. They carry the number of its first lane, and are reserved in that one's row.
        first:     that lane, for the others.
        exclusive: no other server may have the database, as long as the connection lives. Those that are not exclusive may
                   be many; a lane of no node is no server's.
        """
        self.ids = ids
        self.number = -1
        self.reserved_ms = 0
        """Until when the ids of this lane's number are reserved."""
        self.counted_at = -math.inf
        """When the row was written last, by `time.monotonic`."""
        self.clock_offset = 0.0
        """How many seconds this machine's clock was ahead of the database's, at the latest heartbeat."""
        self.compared_at = time.monotonic()
        """When the two were compared, by `time.monotonic`."""
        self._first = first or self
        self._dsn = dsn
        self._node = node
        self._exclusive = exclusive
        self._epoch = 0
        self._batch = 0
        self._locked: set[int] = set()  # groups that exist, of the transaction under way
        self._connection: PostgresConnection | None = None

    def connection(self) -> PostgresConnection:
        """Return the connection, made again where it broke. Raises psycopg.OperationalError, and DatabaseUnusable at first."""
        if self._connection is None or self._connection.is_broken:
            self.disconnect()
            self._connection = PostgresConnection(self._dsn, by_index=True)
            if self._exclusive or self._node:
                self._require_company(self._connection)
            if self.number < 0:
                self._take(self._connection)
        return self._connection

    def _require_company(self, connection: PostgresConnection) -> None:
        """Have the database for this server alone, or share it with others like it.

        Raises DatabaseUnusable, and OperationalError after a break.
        """
        take = b"select pg_try_advisory_lock($1)" if self._exclusive else b"select pg_try_advisory_lock_shared($1)"
        row = connection.raw.execute(take, [SERVER_LOCK]).fetchone()
        assert row is not None
        if row[0]:
            return
        self.disconnect()
        if self.number >= 0:  # PostgreSQL does not know yet that our last connection is gone
            raise psycopg.OperationalError("the lock of the last connection is still held")
        raise DatabaseUnusable(
            f"Another server runs on the database {place_of(self._dsn)}, and without --bus there can be one at a time: give"
            " this one the --bus of the others, or stop it. If its machine died, PostgreSQL notices within a minute."
            if self._exclusive
            else f"A server without --bus runs on the database {place_of(self._dsn)}, and there can be no other beside it:"
            " stop it, or start it again with the --bus of this one."
        )

    def disconnect(self) -> None:
        """Give the connection up; the lane stays ours."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection = None

    def cut(self) -> None:
        """End the connection from another thread: whoever waits for the database's answer gets an error.

        Nothing else of it is touched, least of all its pipeline, in whose answers its own thread is.
        """
        connection = self._connection
        if connection is not None and not connection.is_broken:
            with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as copy:
                copy.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """Take another lane with the next connection, since this one is another program's by now."""
        self.disconnect()
        self.number = -1

    def _take(self, connection: PostgresConnection) -> None:
        """Take a lane that nobody holds. Raises DatabaseUnusable where all 1,024 are held."""
        row = None
        for sql in (_TAKE, *(_MAKE,) * 10):  # another node may have made the same one at the same time
            row = connection.raw.execute(sql.encode(), [self._node]).fetchone()
            if row is not None:
                break
        if row is None:
            raise DatabaseUnusable(f"All {MAX_NODE + 1} lanes of the database are held: are there so many nodes?")
        self.number, self._epoch, self._batch, self.reserved_ms = row
        self.counted_at = time.monotonic()
        if self._first is self:
            self.ids.move(self.number, max(self.reserved_ms, self.ids.latest_ms))

    def begin(self, wait_for: Sequence[int], skip: Sequence[int] = ()) -> set[int]:
        """Begin a transaction: count the lane up, and lock these groups in one order. One round trip for all.

        wait_for: groups that another node may have: they are waited for.
        skip:     groups that are left out where another node has them; answers which these are.
        Ids that are given out from now on are above those of the groups. Raises LaneLost, psycopg.Error, with the
        transaction open.
        """
        pipeline = self._begin(wait_for, skip)
        pipeline.flush()
        missing = set(skip) - self._locked
        if missing:  # another node has them, or they do not exist
            found: list[PGresult] = []
            pipeline.send(b"select id from chat_group where id = any($1)", [list(missing)], found.append)
            pipeline.flush()
            missing = {_number(found[0], row, 0) for row in range(found[0].ntuples)}
        return missing

    def begin_ahead(self, group_id: int | None) -> None:
        """Begin for who asks by `query_rows` first, and gives out no id before: that statement shares the round trip.

        It raises what `begin` would, and GroupTaken where the group is not to be had at once: what it answered is
        not to be used then, and `lock_group` waits.
        """
        if group_id is None:
            self._begin((), ())
            return
        pipeline, lane = self._open()
        pipeline.send(_COUNT_AND_TRY_ONE, (*lane, group_id), self._begun_ahead)

    def _open(self) -> tuple[Pipeline, tuple[int, int, int]]:
        """Open a transaction; answers the parameters of all that count the lane up."""
        pipeline = self.connection().pipeline
        pipeline.send(b"BEGIN")
        return pipeline, (self.number, self._epoch, self._reserve_until())

    def _begin(self, wait_for: Sequence[int], skip: Sequence[int]) -> Pipeline:
        pipeline, lane = self._open()
        if skip:  # they wait for nobody: they may come after, whatever the groups
            pipeline.send(_COUNT_AND_TRY_LOCK, (*lane, sorted(wait_for), sorted(skip)), self._begun)
        elif wait_for:
            pipeline.send(_COUNT_AND_LOCK, (*lane, sorted(wait_for)), self._begun)
        else:
            pipeline.send(_COUNT.encode(), lane, self._begun)
        return pipeline

    def _begun(self, result: PGresult) -> None:
        """Note that the lane was counted up, and which groups are locked. Raises LaneLost."""
        if not result.ntuples:
            raise LaneLost(f"lane {self.number} was taken over by another node")
        self._batch, self.reserved_ms = _number(result, 0, 0), _number(result, 0, 1)
        self.counted_at = time.monotonic()
        self._locked.clear()
        if result.nfields > 2:
            for row in range(result.ntuples):
                if result.get_value(row, 2) is not None:
                    self._locked.add(_number(result, row, 2))
                    self.ids.observe(_number(result, row, 3))

    def _begun_ahead(self, result: PGresult) -> None:
        """Do as `_begun`, and raise GroupTaken where the one group is not locked. Raises LaneLost."""
        self._begun(result)
        if not self._locked:
            raise GroupTaken

    def lock_group(self, group_id: int) -> None:
        """Lock one more group, in the transaction that is under way, and wait for it. Raises psycopg.Error."""
        pipeline = self.connection().pipeline
        pipeline.send(_LOCK, (group_id,), self._observe)
        pipeline.flush()

    def _observe(self, result: PGresult) -> None:
        """Give out ids above those of the groups that were locked."""
        for row in range(result.ntuples):
            self.ids.observe(_number(result, row, 1))

    def _reserve_until(self) -> int:
        return max(self.ids.latest_ms, round(time.time() * 1000)) + RESERVED_MS

    def beat(self) -> None:
        """Say that the holder lives, where nothing is written. Raises LaneLost, psycopg.Error."""
        connection = self.connection()
        row = connection.raw.execute(_BEAT, [self.number, self._epoch, self._reserve_until()]).fetchone()
        if row is None:
            raise LaneLost(f"lane {self.number} was taken over by another node")
        (self.reserved_ms,) = row
        self.counted_at = time.monotonic()
        self.clock_offset = clock_offset(connection)
        self.compared_at = time.monotonic()

    def why_lost(self, error: psycopg.Error) -> str:
        """Return what is wrong with the database, by an error that broke the connection, and what to do."""
        return str(unusable(self._dsn, error))

    @property
    def clock_fault(self) -> str:
        """What was wrong with the clock at the latest heartbeat; "" where nothing was."""
        return clock_fault(self._dsn, self.clock_offset)

    def reserve_ids(self) -> None:
        """Store, with the transaction under way, until when its ids are: they jump ahead after those of another node.

        Raises psycopg.Error, or the COMMIT that follows does.
        """
        if self.ids.latest_ms > self._first.reserved_ms:
            self.connection().pipeline.send(_RESERVE, (self._first.number, self.ids.latest_ms + RESERVED_MS))

    def was_committed(self) -> bool | None:
        """Whether the transaction under way when the connection broke is stored; None where another holds the lane by now.

        Raises psycopg.OperationalError.

        The old connection's transaction may still be open in the server, which does not know that we are gone: so the row is
        locked, which waits for it.
        """
        row = (
            self.connection()
            .raw.execute("select epoch, batch from lane where number = $1 for update", [self.number])
            .fetchone()
        )
        assert row is not None
        return row[1] >= self._batch if row[0] == self._epoch else None

    def give_back(self) -> None:
        """Let anybody have the lane at once, and close the connection."""
        if self._connection is not None and not self._connection.is_broken:
            with suppress(psycopg.Error):
                self._connection.raw.execute(
                    "update lane set seen_at = '-infinity' where number = $1 and epoch = $2", [self.number, self._epoch]
                )
        self.disconnect()


def _number(result: PGresult, row: int, column: int) -> int:
    """Return a whole number of a result that is not NULL."""
    return int(result.get_value(row, column) or b"")


def wait_before_retry() -> None:
    """Let a moment pass, in a lane's thread."""
    time.sleep(RETRY_SECONDS)
