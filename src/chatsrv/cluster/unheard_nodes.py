"""Finds nodes that live in the database and are not heard on the bus: their --bus names other servers than this node's."""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import trio

from chatsrv.cluster.peers import Peers
from chatsrv.log import Log
from chatsrv_storage.errors import Refusal, StorageFailed

CHECK_SECONDS: Final = 30.0
"""Between two readings of who lives."""

CONFIRM_SECONDS: Final = 10.0
"""A node that was not heard is looked for again after this, before it is told: one that starts is in the database first."""


class UnheardNodes:
    """Compares the nodes of the database with those of the bus, in the task `run`."""

    def __init__(
        self,
        peers: Peers,
        is_deaf: Callable[[], bool],
        read_living: Callable[[], Awaitable[Collection[str]]],
        log: Log,
    ) -> None:
        self._peers = peers
        self._is_deaf = is_deaf
        self._read_living = read_living
        self._log = log
        self.names: frozenset[str] = frozenset()
        """Nodes that were not heard at the last check."""

    async def run(self) -> None:
        """Check, forever. Returns when the storage fails, which ends the server."""
        while True:
            await trio.sleep(CHECK_SECONDS)
            try:
                await self._check()
            except StorageFailed:
                return
            except (Refusal, trio.ClosedResourceError) as error:
                self._log.debug("who lives in the database cannot be read now", reason=str(error))

    async def _check(self) -> None:
        unheard = await self._find()
        if unheard and unheard - self.names:
            await trio.sleep(CONFIRM_SECONDS)
            again = await self._find()
            unheard = None if again is None else unheard & again
        if unheard is not None and unheard != self.names:
            self.names = unheard
            self._tell()

    async def _find(self) -> frozenset[str] | None:
        """Return the nodes that live and are not heard; None where this one hears nobody, which is told elsewhere."""
        living = await self._read_living()
        return None if self._is_deaf() else frozenset(living) - frozenset(self._peers.names())

    def _tell(self) -> None:
        if not self.names:
            self._log.info("all nodes of the database are heard on the bus")
            return
        self._log.warning(
            "nodes live in the database and are not heard on the bus: give all nodes the same servers in --bus;"
            " until then what they store comes here up to 2.5 s late, and who is online or types there is not known",
            nodes=sorted(self.names),
        )
