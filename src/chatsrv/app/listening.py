"""Opens the sockets that a configuration names."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from chatsrv.config import Address, Config
from chatsrv.net.listeners import Listener, Scheme, bind


def _addresses(config: Config) -> tuple[tuple[Scheme, Address | None], ...]:
    chat: tuple[tuple[Scheme, Address | None], ...] = (
        ("tcp", config.tcp), ("tls", config.tls), ("ws", config.ws), ("wss", config.wss)
    )  # fmt: skip
    return (*chat, ("http", config.http), ("https", config.https), ("ops", config.ops))


@asynccontextmanager
async def listening(config: Config) -> AsyncGenerator[list[Listener]]:
    """Open the configured listeners, and close all of them with the block. Raises ConfigError."""
    listeners: list[Listener] = []
    try:
        for scheme, address in _addresses(config):
            if address is not None:
                listeners.append(await bind(scheme, address))
        yield listeners
    finally:
        for listener in listeners:
            for each in listener.sockets:
                each.socket.close()
