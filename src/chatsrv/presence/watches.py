"""Who is online: told to the connections that asked, coalesced, and dropped first under load.

Whoever watches is a connection with a bounded list of people who share a group with its user. So what a change costs
grows with those who asked, never with the members of groups. A round a second tells each of them all that changed, and
only what differs from what it was told: who is back within a round was never gone.

Sharing a group is checked in the storage when a connection asks, and again before the next round whenever somebody
left a group: until then nothing of them is told to anybody, nor anything to them.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import trio

from chatsrv.bus.interface import SharedFrames, Subscriber
from chatsrv.bus.local import LocalBus
from chatsrv.clock import Clock
from chatsrv.presence.visibility import Visibility
from chatsrv_protocol import encode
from chatsrv_protocol import presence as wire
from chatsrv_storage.accounts import profiles
from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.interface import Storage

ROUND_SECONDS: Final = 1.0
"""Between rounds: how long a change may wait, and how often at most a connection hears of it."""

MAX_SEEN: Final = 50_000
"""People whose last moment is known exactly; of others the sessions know it to 30 seconds."""

PEOPLE_PER_QUERY: Final = 500
"""Whom one query asks for."""

YIELD_EVERY: Final = 100
"""Connections that are told before others may run."""


class PresenceWatches:
    """The watches of one node, as plain data beside the bus, which it listens to. `run` tells."""

    def __init__(self, bus: LocalBus, visibility: Visibility, storage: Storage, clock: Clock) -> None:
        self._bus = bus
        self._visibility = visibility
        self._storage = storage
        self._clock = clock
        self._told: dict[Subscriber, dict[int, bool]] = {}  # per connection: whom it watches, and as what it knows them
        self._watchers: dict[int, dict[Subscriber, None]] = {}
        self._seen: OrderedDict[int, int] = OrderedDict()
        self._pending: dict[Subscriber, dict[int, None]] = {}
        self._doubtful: dict[int, None] = {}
        self._departures = 0
        self._work = trio.Event()
        bus.listeners.append(self)
        visibility.listeners.append(self)

    def user_online(self, user_id: int) -> None:
        """Tell those who watch that the user's first connection is open."""
        self._changed(user_id)

    def user_offline(self, user_id: int) -> None:
        """Tell those who watch that the user's last connection is closed."""
        self._visibility.forget_blocks(user_id)
        self._seen.pop(user_id, None)
        self._seen[user_id] = self._clock.now_ms()
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        self._changed(user_id)

    def connection_closed(self, subscriber: Subscriber) -> None:
        """Drop what a closed connection watched."""
        self._pending.pop(subscriber, None)
        for user_id in self._told.pop(subscriber, ()):
            self._unwatch(subscriber, user_id)

    def membership_lost(self, user_id: int) -> None:
        """Check what the user watches after leaving a group: some people may share no group with them any more."""
        self._departures += 1
        if user_id in self._watchers or any(each in self._told for each in self._bus.connections(user_id)):
            self._doubtful[user_id] = None
            self._work.set()

    def visibility_changed(self, user_id: int) -> None:
        """Tell those who watch that the user hides, or no longer."""
        self._changed(user_id)

    def block_added(self, user_id: int) -> None:
        """Check what the user watches, and who watches them, before anybody is told anything: as after leaving a group."""
        self.membership_lost(user_id)

    async def watch(self, subscriber: Subscriber, people: Sequence[int]) -> list[wire.Presence]:
        """Tell a connection about these people instead of those before; answers how they stand. Raises Refusal."""
        user_id = subscriber.user_id
        wanted = [each for each in dict.fromkeys(people) if each != user_id]
        departures = self._departures
        shared, seen = await self._storage.read(
            lambda conn: (profiles.sharing(conn, user_id, wanted), profiles.last_seen(conn, wanted)), user_id
        )
        if subscriber not in self._bus.connections(user_id):
            return []
        self.connection_closed(subscriber)
        allowed = dict.fromkeys(shared)
        standing = {each: self._visibility.is_online(each) for each in wanted if each in allowed}
        for each in standing:
            self._watchers.setdefault(each, {})[subscriber] = None
        if standing:
            self._told[subscriber] = standing
        if departures != self._departures:  # somebody left a group while the storage was asked
            self._doubtful[user_id] = None
            self._work.set()
        return [
            wire.Presence(each, online, 0 if online else self._seen.get(each, seen.get(each, 0)))
            for each, online in standing.items()
            if not self._visibility.hides(each)
        ]

    async def run(self) -> None:
        """Tell what changed, forever."""
        while True:
            await self._work.wait()
            await trio.sleep(ROUND_SECONDS)
            self._work = trio.Event()
            try:
                while self._doubtful:
                    await self._settle(next(iter(self._doubtful)))
            except StorageFailed:
                return  # the server stops
            except (Refusal, trio.ClosedResourceError):
                self._work.set()
                continue
            pending, self._pending = self._pending, {}
            for number, (subscriber, people) in enumerate(pending.items(), 1):
                self._tell(subscriber, people)
                if number % YIELD_EVERY == 0:
                    await trio.lowlevel.checkpoint()

    def _tell(self, subscriber: Subscriber, people: dict[int, None]) -> None:
        told = self._told.get(subscriber, {})
        if any(each in self._doubtful for each in (subscriber.user_id, *people)):
            self._postpone(subscriber, people)
            return
        changed = [each for each in people if each in told and told[each] != self._visibility.is_online(each)]
        if not changed:
            return
        news = wire.PresenceChanged(tuple(self._presence(each) for each in changed))
        if not subscriber.put_hint(SharedFrames(encode(news), 0)):
            self._postpone(subscriber, people)
            return
        for each in changed:
            told[each] = self._visibility.is_online(each)

    def _postpone(self, subscriber: Subscriber, people: dict[int, None]) -> None:
        """Move notices to the next round: the connection has other things to read, or a departure has to be checked first."""
        self._pending.setdefault(subscriber, {}).update(people)
        self._work.set()

    def _presence(self, user_id: int) -> wire.Presence:
        if self._visibility.is_online(user_id):
            return wire.Presence(user_id, True, 0)
        return wire.Presence(user_id, False, 0 if self._visibility.hides(user_id) else self._seen.get(user_id, 0))

    async def _settle(self, user_id: int) -> None:
        """End the watches between this user and people with whom they share no group any more. Raises Refusal."""
        departures = self._departures
        mine = [each for each in self._bus.connections(user_id) if each in self._told]
        theirs = list(self._watchers.get(user_id, ()))
        others = list(
            dict.fromkeys([*(each for one in mine for each in self._told[one]), *(w.user_id for w in theirs)])
        )
        shared: dict[int, None] = {}
        for start in range(0, len(others), PEOPLE_PER_QUERY):
            part = others[start : start + PEOPLE_PER_QUERY]
            found = await self._storage.read(lambda conn, part=part: profiles.sharing(conn, user_id, part))
            shared |= dict.fromkeys(found)
        if departures != self._departures:
            return  # look again
        for one in mine:
            self._end(one, [each for each in self._told.get(one, ()) if each not in shared])
        for one in theirs:
            if one.user_id not in shared:
                self._end(one, [user_id])
        self._doubtful.pop(user_id, None)

    def _end(self, subscriber: Subscriber, people: list[int]) -> None:
        told = self._told.get(subscriber, {})
        gone = [wire.Presence(each, False, 0) for each in people if told.pop(each, False)]
        for each in people:
            self._unwatch(subscriber, each)
        if gone:
            subscriber.put_hint(SharedFrames(encode(wire.PresenceChanged(tuple(gone))), 0))

    def _unwatch(self, subscriber: Subscriber, user_id: int) -> None:
        watchers = self._watchers.get(user_id)
        if watchers is not None and watchers.pop(subscriber, subscriber) is None and not watchers:
            del self._watchers[user_id]

    def _changed(self, user_id: int) -> None:
        for subscriber in self._watchers.get(user_id, ()):
            self._pending.setdefault(subscriber, {})[user_id] = None
            self._work.set()
