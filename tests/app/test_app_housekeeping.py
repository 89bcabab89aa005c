"""What a server does on its own account, over days of a virtual clock that also jumps."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from support.server_kit import client_id

from chatsrv.app import housekeeping
from chatsrv.auth.login_limits import LoginLimits
from chatsrv.clock import VirtualClock
from chatsrv.log import quiet_log
from chatsrv_storage.accounts import accounts, sessions
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.idempotency import KEEP_MS, IdempotencyGate, Once
from chatsrv_storage.interface import SqlConnection, Storage, open_memory_storage
from chatsrv_storage.replies import NoReply

HOUR = 3600.0
DAY_MS = 24 * 3_600_000


@asynccontextmanager
async def house(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Storage]:
    """A storage that is kept in order, round by half an hour."""
    monkeypatch.setattr(housekeeping, "SWEEP_INTERVAL_SECONDS", HOUR / 2)
    acceptor = cast("Any", SimpleNamespace(connections=[]))
    async with open_memory_storage() as storage, trio.open_nursery() as nursery:
        await nursery.start(
            housekeeping.run_housekeeping, storage, clock, Snowflake(), acceptor, LoginLimits(10), quiet_log()
        )
        yield storage
        nursery.cancel_scope.cancel()


def store(now_ms: int) -> Any:
    """A job: a user with a session, and the result of one command."""

    def job(conn: SqlConnection) -> None:
        accounts.register(conn, 1, "ann", "!", now_ms)
        sessions.create(conn, 2, 1, b"token", "test", now_ms)
        gate = IdempotencyGate(conn)
        gate.keep(Once(1, client_id(now_ms), b"h"), NoReply())
        gate.write()

    return job


def stored(conn: SqlConnection) -> tuple[int, int]:
    """(results, sessions)"""
    (results,) = conn.execute("select count(*) from idempotency").fetchone()
    (devices,) = conn.execute("select count(*) from session").fetchone()
    return results, devices


async def test_a_clock_that_is_ahead_for_days_drops_nothing_that_is_valid(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock()
    async with house(clock, monkeypatch) as storage:
        await trio.sleep(8 * 24 * HOUR)
        await storage.write(store(clock.now_ms()))
        clock.jump_ms = 100 * DAY_MS
        await trio.sleep(5 * 24 * HOUR)
        assert await storage.read(stored) == (1, 1)
        clock.jump_ms = 0
        await trio.sleep(24 * HOUR)
        assert await storage.read(stored) == (1, 1)


async def test_results_go_after_a_week_and_sessions_after_ninety_days(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock()
    async with house(clock, monkeypatch) as storage:
        await storage.write(store(clock.now_ms()))
        await trio.sleep(KEEP_MS / 1000)
        assert await storage.read(stored) == (1, 1)
        await trio.sleep(4 * HOUR)
        assert await storage.read(stored) == (0, 1)
        await trio.sleep(sessions.IDLE_MS / 1000)
        assert await storage.read(stored) == (0, 0)
