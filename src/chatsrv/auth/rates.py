"""Rate limits of commands: token buckets per user and per address, cheap enough to stand before every command.

A bucket is one number, the moment at which it would be full again (the "theoretical arrival time" of GCRA, ITU-T I.371): a
message costs 0.6 µs for both buckets (CPython 3.11), where looking them up in a shared table took 1.1. So a
connection holds on to its buckets from its login on; the table only says which they are, so that many connections of
one user share them, and a reconnect brings no new ones.
"""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Hashable
from enum import IntEnum
from functools import lru_cache
from typing import Final, TypeVar

import attrs

MAX_KEYS: Final = 50_000
"""Buckets in a table; beyond, those used longest ago that are full again are forgotten, which changes nothing for anybody."""

SWEEP_KEYS: Final = 4
"""Entries that a look-up in a full table examines: a constant, so that no login pays for all who are busy."""

CACHED_PEERS: Final = 1_024
"""Addresses whose source is known without parsing them: a login asks for it seven times."""

KeyT = TypeVar("KeyT", bound=Hashable)


class Cost(IntEnum):
    """The bucket that a command takes from."""

    FREE = 0
    """It writes nothing, or is limited by rules of its own (logins, face-to-face codes)."""
    MESSAGE = 1
    CHANGE = 2
    HINT = 3
    SEARCH = 4
    LOOKUP = 5
    """Reads of people by name or id; each person counts."""


@attrs.frozen(slots=True)
class Rate:
    """The rate of a bucket: so many a second on the average, so many at once. A rate of 0 limits nothing."""

    per_second: float
    burst: float


UNLIMITED: Final = Rate(0, 1)


class Bucket:
    """The token bucket of one key. `take` returns 0, or the seconds to wait (and then nothing was taken)."""

    __slots__ = ("full_at", "interval", "slack")

    def __init__(self, rate: Rate) -> None:
        self.interval = 1 / rate.per_second if rate.per_second else 0.0
        self.slack = (max(rate.burst, 1) - 1) * self.interval if rate.per_second else math.inf
        self.full_at = 0.0

    def wait(self, now: float) -> float:
        """Return the seconds until one can be taken; 0 if one can be taken now."""
        return max(self.full_at - self.slack - now, 0.0)

    def use(self, now: float, amount: float = 1.0) -> None:
        """Use so much up, whether it is there or not."""
        self.full_at = max(now, self.full_at) + self.interval * amount


class Meter:
    """The buckets of one connection: one for each kind of cost of its user, two for bytes, and one for its address."""

    __slots__ = ("_address", "_mine")

    def __init__(self, mine: tuple[Bucket, ...], address: Bucket) -> None:
        self._mine = mine
        self._address = address

    def take(self, cost: Cost, now: float, amount: float = 1.0, size: int = 0) -> float:
        """Use `amount` up in the user's bucket, `size` bytes in both for bytes, one in the address': 0 if that was
        possible, else the seconds to wait. What is larger than a bucket is possible when one is there, and then the
        next has to wait for all of it.
        """
        if not cost:
            return 0.0
        mine, address = self._mine[cost], self._address
        if mine.full_at - mine.slack > now or address.full_at - address.slack > now:
            return max(mine.wait(now), address.wait(now))
        if size:
            second, day = self._mine[_BYTES_PER_SECOND], self._mine[_BYTES_PER_DAY]
            if second.full_at - second.slack > now or day.full_at - day.slack > now:
                return max(second.wait(now), day.wait(now))
            second.use(now, size)
            day.use(now, size)
        mine.use(now, amount)
        address.use(now)
        return 0.0


_BYTES_PER_SECOND: Final = len(Cost)
_BYTES_PER_DAY: Final = len(Cost) + 1
_FREELY: Final = Bucket(UNLIMITED)
UNMETERED: Final = Meter((_FREELY,) * (len(Cost) + 2), _FREELY)
"""Nobody's: before a login there is nothing to write."""


class Rates:
    """The buckets of a server, by user and by address."""

    def __init__(
        self,
        messages: Rate,
        changes: Rate,
        hints: Rate,
        address: Rate,
        *,
        searches: Rate = UNLIMITED,
        lookups: Rate = UNLIMITED,
        bytes_per_second: Rate = UNLIMITED,
        bytes_per_day: Rate = UNLIMITED,
    ) -> None:
        self._rates = (UNLIMITED, messages, changes, hints, searches, lookups, bytes_per_second, bytes_per_day)
        self._address = address
        self._users: OrderedDict[int, tuple[Bucket, ...]] = OrderedDict()
        self._addresses: OrderedDict[str, tuple[Bucket, ...]] = OrderedDict()

    def meter(self, user_id: int, peer: str, now: float) -> Meter:
        """Return the buckets of a user who comes from an address."""
        source = source_of(peer)
        mine = self._users.get(user_id)
        if mine is None:
            _make_room(self._users, now)
            mine = self._users[user_id] = tuple(Bucket(rate) for rate in self._rates)
        addresses = self._addresses.get(source)
        if addresses is None:
            _make_room(self._addresses, now)
            addresses = self._addresses[source] = (Bucket(self._address),)
        self._users.move_to_end(user_id)
        self._addresses.move_to_end(source)
        return Meter(mine, addresses[0])


def _make_room(table: OrderedDict[KeyT, tuple[Bucket, ...]], now: float) -> None:
    """Forget full buckets among the few that were asked for longest ago; busy ones go to the end.

    Where all are busy the table grows by one, and shrinks again by the next look-ups once they are full.
    """
    if len(table) < MAX_KEYS:
        return
    for _ in range(min(SWEEP_KEYS, len(table))):
        key = next(iter(table))
        if any(bucket.full_at > now for bucket in table[key]):
            table.move_to_end(key)
        else:
            del table[key]


@lru_cache(CACHED_PEERS)
def source_of(peer: str) -> str:
    """Return what a budget per address counts: the IPv4 address, the /64 of IPv6, loopback as one, else the name itself."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return "loopback"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
