"""Raw people for the tests of red packets: accounts made in the storage, connections over any stream, exact frames."""

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs
import structlog
import trio

from chatsrv.commands.context import Services
from chatsrv.log import Log
from chatsrv_protocol import NEED_DATA, NUMBER_OF, ProtocolConnection, Received, Role, is_reply, session
from chatsrv_redpack import grant
from chatsrv_storage.accounts import accounts, audit_log, sessions
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.interface import SqlConnection as Database
from chatsrv_storage.messages import history
from chatsrv_storage.money import ledger, packet_audit, payouts

Dial = Callable[[], Awaitable[trio.abc.Stream]]


@attrs.define
class Someone:
    """One connection that speaks for a user: asks one thing at a time, and keeps what it hears."""

    user_id: int
    name: str
    token: bytes
    stream: trio.abc.Stream | None = None
    wire: ProtocolConnection = attrs.field(factory=lambda: ProtocolConnection(Role.CLIENT))
    heard: list[Any] = attrs.field(factory=list)
    parts: list[Any] = attrs.field(factory=list)
    requests: int = 0

    async def connect(self, dial: Dial) -> "Someone":
        """A new connection, logged in by token; the one before is closed."""
        await self.close()
        self.stream, self.wire = await dial(), ProtocolConnection(Role.CLIENT)
        await self.ask(session.Hello((1,), "test"))
        logged_in = await self.ask(session.Resume(self.token))
        assert isinstance(logged_in, session.LoggedIn), logged_in
        return self

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self.stream is not None:
            await trio.aclose_forcefully(self.stream)

    async def ask(self, command: Any) -> Any:
        """The reply to a command; events of the answer are in `parts`, live ones in `heard`. EOFError at the end."""
        assert self.stream is not None
        self.requests += 1
        request_id = self.requests
        await self.stream.send_all(self.wire.send(command, request_id))
        self.parts = []
        while True:
            item = await self._next()
            if item.request_id == request_id and is_reply(NUMBER_OF[type(item.message)]):
                return item.message
            (self.parts if item.request_id else self.heard).append(item.message)

    async def hear(self, kind: type[Any]) -> Any:
        """The next live event of a class, heard already or still to come."""
        while True:
            for place, message in enumerate(self.heard):
                if isinstance(message, kind):
                    return self.heard.pop(place)
            item = await self._next()
            self.heard.append(item.message)

    async def _next(self) -> Received:
        assert self.stream is not None
        while True:
            item = self.wire.next()
            if item is NEED_DATA:
                data = await self.stream.receive_some(65536)
                if not data:
                    raise EOFError
                self.wire.feed(data)
                continue
            assert isinstance(item, Received), item
            return item


def client_ids(now_ms: Callable[[], int]) -> Callable[[], bytes]:
    """A source of UUIDv7s on the server's clock that never repeats."""
    count = 0

    def make() -> bytes:
        nonlocal count
        count += 1
        return now_ms().to_bytes(6, "big") + b"\x70\x00\x80\x00" + count.to_bytes(6, "big")

    return make


def make_people(names: Sequence[str], cents: int, now_ms: int, ids: Snowflake) -> Callable[[Database], list[Someone]]:
    """A job: accounts with a session each and `cents` in every wallet."""

    def job(conn: Database) -> list[Someone]:
        people: list[Someone] = []
        for name in names:
            account = accounts.register(conn, ids.next(now_ms), name, "!", now_ms)
            token = os.urandom(32)
            sessions.create(conn, ids.next(now_ms), account.user_id, token, "test", now_ms)
            if cents:
                ledger.post(conn, grant(ids.next(now_ms), account.user_id, cents, now_ms))
            people.append(Someone(account.user_id, name, token))
        return people

    return job


async def people_of(services: Services, names: Sequence[str], cents: int = 0) -> list[Someone]:
    """Make accounts on a running server."""
    return await services.storage.write(make_people(names, cents, services.clock.now_ms(), services.ids))


def problems(conn: Database) -> list[str]:
    """Everything that is wrong with a database, in words."""
    checks = (ledger.check, packet_audit.check, payouts.check, history.check, audit_log.check)
    return [problem for check in checks for problem in check(conn)]


def sum_of_accounts(conn: Database) -> int:
    """Zero, at every commit."""
    (total,) = conn.execute("select coalesce(sum(balance), 0) from account").fetchone()
    return total


def log_of(lines: list[Any]) -> Log:
    """A log that keeps its entries, as dictionaries with their level."""

    def keep(_logger: Any, level: str, entry: Any) -> Any:
        lines.append({**entry, "level": level})
        raise structlog.DropEvent

    return structlog.wrap_logger(
        structlog.ReturnLogger(), processors=[keep], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
