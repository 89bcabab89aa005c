"""The bus over Redis or Valkey: publish and subscribe, on one channel, with nothing stored.

Several servers are independent of each other. A node hears all of them and publishes to the first that answers, so one that
is gone costs nothing; what falls between two is found in the database.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Final, NamedTuple

import trio

from chatsrv.cluster.redis_address import RedisAddress, parse_address, place_of
from chatsrv.cluster.redis_dial import RedisLost
from chatsrv.cluster.redis_link import CONNECT_SECONDS, RedisLink, RedisRefused, open_link
from chatsrv.log import Log

PUBLISH_SECONDS: Final = 0.2
"""A server that does not take a blob within this is passed over."""

RETRY_SECONDS: Final = 0.5
"""Between two attempts to subscribe again."""

LOOK_SECONDS: Final = 1.0
"""Between two looks whether a connection still brings something."""

WARN_SECONDS: Final = 10.0
"""Between two warnings that the same server is lost, at least: one that comes and goes does not fill the log."""

STATUS_CHANNEL: Final = "chatsrv/status"
"""Of programs that only look whether a server answers."""

_OWES_ANSWER: Final = attrgetter("owes_answer")


def channel_of(identifier: str) -> str:
    """Return the channel of the nodes on one database (database_id)."""
    return f"chatsrv/{identifier}"


class RedisBus:
    """A NodeBus. `urls` are redis://[user:password@]host:port, or rediss:// for TLS. Raises ValueError for others."""

    def __init__(self, urls: Sequence[str], channel: str, log: Log) -> None:
        self._addresses = list(dict.fromkeys(parse_address(url) for url in urls))
        self.channel: Final = channel
        """The channel of this cluster: others may use the same servers."""
        self._log = log
        self._links: dict[RedisAddress, RedisLink] = {}

    @property
    def connected(self) -> int:
        """Servers that this node can publish to now."""
        return len(self._links)

    async def run(self, take: Callable[[bytes], None], heard_again: Callable[[], None]) -> None:
        """See port.NodeBus."""
        async with trio.open_nursery() as nursery:
            for address in self._addresses:
                nursery.start_soon(self._serve, address, take, heard_again)
            nursery.start_soon(self._look)

    async def _serve(
        self, address: RedisAddress, take: Callable[[bytes], None], heard_again: Callable[[], None]
    ) -> None:
        """Keep a connection to one server, forever; say that it is lost, and that it is back, once each."""
        said_lost, warned_at = False, -math.inf
        while True:
            try:
                async with open_link(address, self.channel) as link:
                    self._links[address] = link
                    if said_lost:
                        said_lost = False
                        self._log.info("the bus is there again", server=str(address))
                    heard_again()
                    await link.hear(take)
            except RedisLost as error:
                if not said_lost and trio.current_time() - warned_at > WARN_SECONDS:
                    said_lost, warned_at = True, trio.current_time()
                    advice = "check that a Redis or Valkey listens where --bus says; meanwhile others are heard late"
                    self._log.warning(f"the bus is not there: {advice}", server=str(address), reason=str(error))
            finally:
                self._links.pop(address, None)
            await trio.sleep(RETRY_SECONDS)

    async def _look(self) -> None:
        """Look whether the connections still bring something, forever."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            for link in list(self._links.values()):
                with trio.move_on_after(PUBLISH_SECONDS), suppress(RedisLost):
                    await link.look()

    async def publish(self, blob: bytes) -> bool:
        """See port.NodeBus. A server that has not answered the blob before is asked after the others."""
        for link in sorted(self._links.values(), key=_OWES_ANSWER):
            with trio.move_on_after(PUBLISH_SECONDS):
                try:
                    if await link.publish(blob):
                        return True
                except RedisRefused as error:
                    self._note_refused(link, str(error))
                except RedisLost:
                    pass  # `_serve` says it
        await trio.lowlevel.checkpoint()
        return False

    def _note_refused(self, link: RedisLink, reason: str) -> None:
        if not link.refused:
            link.refused = True
            self._log.warning("the bus does not take what this node says", server=str(link.address), reason=reason)


class BusServer(NamedTuple):
    """How a server of the bus was found."""

    address: str
    milliseconds: float
    """Until it answered."""
    error: str
    """Why it did not; empty where it did."""
    listeners: int | None
    """How many nodes listen there; None where the user may not ask (`+pubsub|numsub`)."""


def look_at_bus(urls: Sequence[str], channel: str) -> list[BusServer]:
    """Return how each server is found, and who listens to the channel. For programs without an event loop."""
    found: list[BusServer] = []

    async def look() -> None:
        for url in urls:
            began = trio.current_time()
            listeners, error = None, ""
            try:
                async with open_link(parse_address(url), STATUS_CHANNEL) as link:
                    took = trio.current_time() - began
                    listeners = await _count_listeners(link, channel)
            except (RedisLost, ValueError) as lost:
                took, error = trio.current_time() - began, str(lost)
            found.append(BusServer(place_of(url), took * 1_000, error, listeners))

    trio.run(look)
    return found


async def _count_listeners(link: RedisLink, channel: str) -> int | None:
    """Return how many are subscribed to the channel; None where that is not answered."""
    listeners: int | None = None

    async def hear() -> None:
        with suppress(RedisLost):
            await link.hear(lambda _blob: None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        with trio.move_on_after(CONNECT_SECONDS), suppress(RedisLost):
            listeners = await link.count_subscribers(channel)
        nursery.cancel_scope.cancel()
    return listeners
