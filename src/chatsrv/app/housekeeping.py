"""Housekeeping: reserve time for ids, store sessions' and addresses' last use, delete what expired."""

from typing import Final

import trio

from chatsrv.auth.login_limits import MAX_KNOWN, LoginLimits
from chatsrv.auth.shared_attempts import SharedAttempts
from chatsrv.clock import Clock
from chatsrv.cluster import Cluster
from chatsrv.log import Log
from chatsrv.net.listeners import Acceptor
from chatsrv_storage import idempotency
from chatsrv_storage.accounts import login_addresses, sessions
from chatsrv_storage.engine import clock_history, id_reservation
from chatsrv_storage.engine.shared import SnapshotMark
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal, StorageFull
from chatsrv_storage.groups.cluster_look import forget_changes, mark_of
from chatsrv_storage.interface import Storage

SWEEP_INTERVAL_SECONDS: Final = 30.0
FULL_INTERVAL_SECONDS: Final = 1.0
"""The same while the disk is full: how soon changes are accepted again once there is room."""

FORGET_INTERVAL_SECONDS: Final = 180.0
"""How often what was noted for other nodes' looks is dropped: what is older than the interval, which a look may not be."""

FORGET_BATCH_ROWS: Final = 5_000
"""Transactions of which the notes are dropped in one transaction."""

SWEEP_BATCH_ROWS: Final = 500
"""Results dropped in one transaction."""

RESERVE_MS: Final = 120_000
"""How far ahead of the ids given out their time is reserved: what a crash may skip, and four rounds of this task."""

RESERVE_AHEAD_MS: Final = 10_000
"""The same where ids are ahead of the clock, and go on by a millisecond per 4,096: 40 million in a round. Were it as
much as above, every restart would carry the ids two minutes further from the clock."""

SWEEP_EVERY: Final = clock_history.EVERY_MS / 1000


async def load_logins(storage: Storage, attempts_per_minute: int) -> LoginLimits:
    """Return the limits of logins, with the addresses that users came from in earlier runs."""
    logins = LoginLimits(attempts_per_minute)
    logins.load(await storage.read(lambda conn: login_addresses.latest(conn, MAX_KNOWN)))
    return logins


async def run_housekeeping(
    storage: Storage,
    clock: Clock,
    ids: Snowflake,
    acceptor: Acceptor,
    logins: LoginLimits,
    log: Log,
    cluster: Cluster | None = None,
    attempts: SharedAttempts | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run forever; `started` once the first reservation is stored, before which no id may be given out.

    On a full disk it starts all the same and holds the ids back until there is room: reads are served meanwhile, and
    changes are refused as at any other time when the disk is full.
    """
    swept_at = trio.current_time()
    first, full = True, False
    reserved_ms = 0  # what this run reserved
    forgot_at, mark = trio.current_time(), None
    while True:
        try:
            until_ms = max(ids.latest_ms + RESERVE_AHEAD_MS, clock.now_ms() + RESERVE_MS)
            await storage.write(lambda conn, until=until_ms: id_reservation.reserve(conn, until))
            reserved_ms = until_ms
            ids.hold(False)
            session_ids = [connection.session_id for connection in acceptor.connections if connection.session_id]
            now_ms = clock.now_ms()
            await storage.write(lambda conn, used=session_ids, now=now_ms: sessions.touch(conn, used, now))
            if came_from := logins.unsaved():
                await storage.write(lambda conn, used=came_from, now=now_ms: login_addresses.save(conn, used, now))
                logins.saved(came_from)
            if attempts is not None and cluster is not None and cluster.is_eldest:
                await attempts.sweep(clock.now_ms())
            if trio.current_time() - swept_at >= SWEEP_EVERY:
                swept_at = trio.current_time()
                # One node alone: the week that is noted is one of a clock that ran, and is not shorter with several.
                if cluster is None or cluster.is_eldest:
                    await _sweep(storage, clock)
            if trio.current_time() - forgot_at >= FORGET_INTERVAL_SECONDS and (cluster is None or cluster.is_eldest):
                forgot_at = trio.current_time()
                mark = await _forget_changes(storage, mark)
        except StorageFull:
            ids.hold(max(ids.latest_ms, clock.now_ms()) >= reserved_ms)
        except Refusal:
            if first:
                raise
            # Another program writes: the reservation is far enough ahead for the next round.
        was_full, full = full, storage.is_full or ids.is_held
        if full and not was_full:
            log.warning("the disk is full: the server is read-only until there is room")
        elif was_full and not full:
            log.info("there is room on the disk again: the server takes changes")
        if first:
            first = False
            task_status.started()
        await trio.sleep(FULL_INTERVAL_SECONDS if full else SWEEP_INTERVAL_SECONDS)


async def _forget_changes(storage: Storage, mark: SnapshotMark | None) -> SnapshotMark | None:
    """Drop what was noted for looks at the database before a mark of some minutes ago; return the mark of now."""
    now = await storage.read(mark_of)
    if mark is not None:
        while await storage.write(lambda conn: forget_changes(conn, mark, FORGET_BATCH_ROWS)) == FORGET_BATCH_ROWS:
            pass
    return now


async def _sweep(storage: Storage, clock: Clock) -> None:
    """Drop sessions and results past their time by all that the clock said in a week, bite by bite: no long transaction."""
    now_ms = clock.now_ms()
    least_ms = await storage.write(lambda conn: clock_history.note(conn, now_ms))
    if least_ms is None:
        return
    await storage.write(lambda conn: sessions.sweep(conn, least_ms))
    await storage.write(lambda conn: login_addresses.sweep(conn, least_ms))
    before = idempotency.droppable_before(now_ms, least_ms)
    while await storage.write(lambda conn: idempotency.sweep(conn, before, SWEEP_BATCH_ROWS)) == SWEEP_BATCH_ROWS:
        pass
