"""The nodes that are alive, by what they publish, and which of them has a duty that only one has to do.

A duty belongs to the node that a hash of its key and the names of the living gives (rendezvous hashing, Thaler and
Ravishankar 1998): nobody elects anybody, and a node that comes or goes moves only its share. Two nodes that see different
nodes alive may both do it, so every duty is harmless when done twice. Face-to-face codes are the duty of the node that has
lived longest, so that a new node takes nobody off the page.
"""

import hashlib
from collections.abc import Callable
from typing import Final

import attrs

SILENT_SECONDS: Final = 5.0
"""A node that said nothing for so long is taken for dead."""

MAX_REMEMBERED: Final = 256
"""Numbers of blobs that may come out of order: each node has several engines to publish by."""


@attrs.define(eq=False)
class Peer:
    """Another node, or this one."""

    name: str
    started_ms: int
    heard_at: float
    greatest: int = 0
    numbers: set[int] = attrs.field(factory=set[int])


class Peers:
    """The nodes that this one hears. Times are those of the monotonic clock."""

    def __init__(self, name: str, started_ms: int, now: float) -> None:
        self.name: Final = name
        self.me: Final = Peer(name, started_ms, now)
        self.others: dict[str, Peer] = {}
        self.on_death: list[Callable[[str], None]] = []
        """Called with the name of a node that died, or began anew."""

    def heard_self(self, now: float) -> None:
        """Note a blob of this process: the bus is there."""
        self.me.heard_at = now

    def heard(self, name: str, started_ms: int, number: int, now: float) -> tuple[bool, bool]:
        """Note a blob of another node; return (whether it is new, whether one before it is missing)."""
        peer = self.others.get(name)
        if peer is None or peer.started_ms != started_ms:
            if peer is not None and peer.started_ms > started_ms:
                return False, False  # a late blob of the process before
            if peer is not None:
                self._died(name)
            peer = self.others[name] = Peer(name, started_ms, now, greatest=number - 1)
        peer.heard_at = now
        if number in peer.numbers or number <= peer.greatest - MAX_REMEMBERED:
            return False, False
        hole = number > peer.greatest + 1
        peer.greatest = max(peer.greatest, number)
        peer.numbers.add(number)
        if len(peer.numbers) > 2 * MAX_REMEMBERED:
            peer.numbers = {each for each in peer.numbers if each > peer.greatest - MAX_REMEMBERED}
        return True, hole

    def bury(self, now: float) -> None:
        """Forget who said nothing for too long."""
        for name in [name for name, each in self.others.items() if now - each.heard_at > SILENT_SECONDS]:
            self._died(name)

    def excuse(self, now: float) -> None:
        """Count nobody's silence until now: this node heard nobody, and will not hear all at once."""
        for each in self.others.values():
            each.heard_at = now

    def _died(self, name: str) -> None:
        del self.others[name]
        for callback in self.on_death:
            callback(name)

    def names(self) -> list[str]:
        """Return the nodes that are alive, this one included."""
        return sorted([self.name, *self.others])

    def has_duty(self, key: int) -> bool:
        """Whether this node does what has to be done for this group."""
        return max(self.names(), key=lambda name: hashlib.blake2b(f"{key}/{name}".encode()).digest()) == self.name

    @property
    def eldest(self) -> str:
        """The node that has lived longest."""
        return min([self.me, *self.others.values()], key=lambda each: (each.started_ms, each.name)).name
