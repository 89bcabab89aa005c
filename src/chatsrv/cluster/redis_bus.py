"""The bus over Redis or Valkey: publish and subscribe, on one channel, with nothing stored.

Several servers are independent of each other. A node hears all of them and publishes to the first that answers, so one that
is gone costs nothing; what falls between two is found in the database.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, cast

import anyio
import coredis
import trio
from coredis.exceptions import RedisError
from coredis.retry import NoRetryPolicy

from chatsrv.log import Log

PUBLISH_SECONDS: Final = 0.2
"""A server that does not take a blob within this is passed over."""

RETRY_SECONDS: Final = 0.5
"""Between two attempts to subscribe again."""

_LOST: Final = (RedisError, OSError, anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream)


class RedisBus:
    """A NodeBus. `urls` are redis://[user:password@]host:port[/db], or rediss:// for TLS."""

    def __init__(self, urls: Sequence[str], channel: str, log: Log) -> None:
        self._urls = urls
        self.channel: Final = channel
        """The channel of this cluster: others may use the same servers."""
        self._log = log
        self._clients: dict[str, coredis.Redis[bytes]] = {}

    @property
    def connected(self) -> int:
        """Servers that this node can publish to now."""
        return len(self._clients)

    async def run(self, take: Callable[[bytes], None], heard_again: Callable[[], None]) -> None:
        """See port.NodeBus."""
        async with trio.open_nursery() as nursery:
            for url in self._urls:
                nursery.start_soon(self._serve, url, take, heard_again)

    async def _serve(self, url: str, take: Callable[[bytes], None], heard_again: Callable[[], None]) -> None:
        """Keep a connection to one server, forever."""
        lost = False
        while True:
            try:
                await self._hear(url, take, heard_again)
            except* _LOST as group:
                if not lost and trio.current_effective_deadline() > -math.inf:
                    advice = "check that a Redis or Valkey listens where --bus says; meanwhile others are heard late"
                    self._log.warning(f"the bus is not there: {advice}", server=place_of(url), reason=_reason(group))
                lost = True
            else:
                lost = False
            self._clients.pop(url, None)
            await trio.sleep(RETRY_SECONDS)

    async def _hear(self, url: str, take: Callable[[bytes], None], heard_again: Callable[[], None]) -> None:
        client: coredis.Redis[bytes] = coredis.Redis.from_url(
            url, connect_timeout=1, retry_policy=NoRetryPolicy(), max_connections=4
        )
        async with client, client.pubsub(channels=[self.channel], retry_policy=NoRetryPolicy()) as pubsub:
            self._clients[url] = client
            async for message in pubsub:
                if message["type"] == "subscribe":
                    heard_again()
                elif message["type"] == "message" and isinstance(message["data"], bytes):
                    take(message["data"])

    async def publish(self, blob: bytes) -> bool:
        """See port.NodeBus."""
        for client in list(self._clients.values()):
            with trio.move_on_after(PUBLISH_SECONDS), suppress(*_LOST):
                await client.publish(self.channel, blob)
                return True
        await trio.lowlevel.checkpoint()
        return False


def look_at_bus(urls: Sequence[str]) -> list[tuple[str, float, str]]:
    """Return (server, milliseconds until it answered, why it did not or "") of each. For programs without an event loop."""
    found: list[tuple[str, float, str]] = []

    async def look() -> None:
        for url in urls:
            began = trio.current_time()
            reason = ""
            try:
                with trio.fail_after(2.0):
                    client: coredis.Redis[bytes] = coredis.Redis.from_url(url, retry_policy=NoRetryPolicy())
                    async with client:
                        await client.ping()
            except* _LOST as group:
                reason = _reason(group)
            except* trio.TooSlowError:
                reason = "no answer within 2 s"
            found.append((place_of(url), (trio.current_time() - began) * 1_000, reason))

    trio.run(look)
    return found


def _reason(error: BaseException) -> str:
    """Return the message of the first error in a group."""
    if isinstance(error, BaseExceptionGroup):
        errors = cast("tuple[BaseException, ...]", error.exceptions)
        return _reason(errors[0])
    return str(error) or type(error).__name__


def place_of(url: str) -> str:
    """Return a URL without its password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
