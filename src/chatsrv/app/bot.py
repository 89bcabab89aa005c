"""Bots: a client in the server's own process, without a socket and without a password."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from chatsrv.client import Client, open_client
from chatsrv.commands.context import Services
from chatsrv.net.listeners import Acceptor
from chatsrv.transport.memory import WINDOW, MemoryTransport, memory_pair
from chatsrv_storage.accounts import accounts, sessions
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection

DEVICE = "bot"


async def create_bot_session(services: Services, name: str) -> bytes:
    """Make a session for the account of this name, which is made where there is none; return its token.

    No password opens an account made here. Raises Refusal for a disabled account, and for a name with spaces or none.
    """
    token = services.randomness.bytes(32)
    now_ms = services.clock.now_ms()
    user_id, session_id = services.ids.next(now_ms), services.ids.next(now_ms)

    def create(conn: SqlConnection) -> None:
        account = accounts.by_name(conn, name) or accounts.register(conn, user_id, name, "!", now_ms, vouched=True)
        if account.disabled:
            raise Refusal("bad_credentials", f"the account '{name}' is disabled", "name")
        sessions.create(conn, session_id, account.user_id, token, DEVICE, now_ms)

    await services.storage.write(create)
    return token


@asynccontextmanager
async def open_bot(
    services: Services, acceptor: Acceptor, connections: trio.Nursery, name: str
) -> AsyncGenerator[Client]:
    """Open a client for this account over a pair of memory streams; its session ends with the block."""
    token = await create_bot_session(services, name)

    async def dial() -> trio.abc.Stream:
        ours, theirs = memory_pair(WINDOW)

        async def serve() -> None:
            await acceptor.serve_transport(MemoryTransport(theirs), may_register=False)

        connections.start_soon(serve)
        await trio.lowlevel.checkpoint()
        return ours

    async with open_client(dial, token=token, agent="chatsrv-bot") as client:
        yield client
        await client.logout()
