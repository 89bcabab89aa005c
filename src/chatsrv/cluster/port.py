"""The bus between nodes: blobs of bytes to everybody, the sender too, which may be lost, doubled and late."""

from collections.abc import Callable
from typing import Protocol


class NodeBus(Protocol):
    """What carries blobs. Made for one node, and run by its cluster."""

    async def run(self, take: Callable[[bytes], None], heard_again: Callable[[], None]) -> None:
        """Hand every blob that comes to `take`, forever; `heard_again` is called where some may have been missed."""
        ...

    async def publish(self, blob: bytes) -> bool:
        """Send a blob to all nodes; whether anybody took it. Bounded by a second; never raises what the network does."""
        ...
