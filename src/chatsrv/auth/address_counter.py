"""Counts connections by address, for every port of a server."""

from collections import Counter
from collections.abc import Collection

from chatsrv.auth.rates import source_of
from chatsrv.config import is_loopback


class AddressCounter:
    """Connections by address, with a bound for each address: an IPv6 /64 is one address, since its owner has all of it.

    Loopback has no bound, and a trusted proxy has none: its clients are counted by the address that it reports.
    """

    __slots__ = ("_counts", "_limit", "_trusted_proxies")

    def __init__(self, limit: int, trusted_proxies: Collection[str]) -> None:
        self._limit = limit
        self._trusted_proxies = frozenset(trusted_proxies)
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many addresses have connections now."""
        return len(self._counts)

    def has_room(self, peer: str) -> bool:
        """Whether another connection may come from this address."""
        if is_loopback(peer) or peer in self._trusted_proxies:
            return True
        return self._counts[source_of(peer)] < self._limit

    def enter(self, peer: str) -> None:
        """Count a connection. `leave` takes it back."""
        self._counts[source_of(peer)] += 1

    def leave(self, peer: str) -> None:
        """Stop counting a connection that is over."""
        source = source_of(peer)
        self._counts[source] -= 1
        if self._counts[source] <= 0:
            del self._counts[source]
