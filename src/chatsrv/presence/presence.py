"""Who is there, and who is typing: told to those who asked or are in the group, coalesced, and dropped first under load.

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
from chatsrv_protocol import encode
from chatsrv_protocol import presence as wire
from chatsrv_protocol.session import Person
from chatsrv_storage.accounts import profiles
from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.interface import Storage

ROUND: Final = 1.0
"""Seconds between rounds: how long a change may wait, and how often at most a connection hears of it."""

TYPING_AGAIN: Final = 3.0
"""Seconds within which the same person typing in the same group is said once."""

MAX_SEEN: Final = 50_000
"""People whose last moment is known exactly; of others the sessions know it to 30 seconds."""

CHUNK: Final = 500
"""People in one question to the storage."""

YIELD_EVERY: Final = 100


class PresenceHub:
    """The presence of one node, as plain data beside the bus, which it listens to. `run` tells."""

    def __init__(self, bus: LocalBus, storage: Storage, clock: Clock) -> None:
        self._bus = bus
        self._storage = storage
        self._clock = clock
        self._hidden: dict[int, None] = {}
        self._blocks: dict[int, dict[int, None]] = {}  # of users who are there and block anybody
        self.block_changes = 0
        """Grows with each change of anybody's blocks: what was read before it may be old."""
        self.hide_changes = 0
        """Grows whenever somebody hides or shows themselves: who hides, as it was read before it, may be old."""
        self._told: dict[Subscriber, dict[int, bool]] = {}  # per connection: whom it watches, and as what it knows them
        self._watchers: dict[int, dict[Subscriber, None]] = {}
        self._seen: OrderedDict[int, int] = OrderedDict()
        self._pending: dict[Subscriber, dict[int, None]] = {}
        self._doubtful: dict[int, None] = {}
        self._departures = 0
        self._work = trio.Event()
        self._typed: OrderedDict[tuple[int, int], float] = OrderedDict()
        self._typing_told: OrderedDict[int, float] = OrderedDict()
        self._typing: dict[int, dict[int, Person]] = {}
        self._typing_work = trio.Event()
        bus.listeners.append(self)

    async def load(self) -> None:
        """Read who hides; before any connection."""
        self._hidden = dict.fromkeys(await self._storage.read(profiles.hidden_users))

    # What the bus says.

    def user_online(self, user_id: int) -> None:
        """The user's first connection is there."""
        self._changed(user_id)

    def user_offline(self, user_id: int) -> None:
        """The user's last connection is gone."""
        self._blocks.pop(user_id, None)
        self._seen.pop(user_id, None)
        self._seen[user_id] = self._clock.now_ms()
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        self._changed(user_id)

    def connection_closed(self, subscriber: Subscriber) -> None:
        """This connection watches nobody any more."""
        self._pending.pop(subscriber, None)
        for user_id in self._told.pop(subscriber, ()):
            self._unwatch(subscriber, user_id)

    def membership_lost(self, user_id: int) -> None:
        """The user left a group, and may share none with some people now."""
        self._departures += 1
        if user_id in self._watchers or any(each in self._told for each in self._bus.connections(user_id)):
            self._doubtful[user_id] = None
            self._work.set()

    # What commands ask.

    def set_blocks(self, user_id: int, blocked: Sequence[int]) -> None:
        """This user, who has a connection, blocks these people."""
        if blocked:
            self._blocks[user_id] = dict.fromkeys(blocked)

    def block_changed(self, user_id: int, blocked_id: int, on: bool) -> None:
        """The user blocks somebody or lets them again: watches between the two end, on every node."""
        if self._bus.relay is not None:
            self._bus.relay.block(user_id, blocked_id, on)
        self.note_block(user_id, blocked_id, on)

    def note_block(self, user_id: int, blocked_id: int, on: bool) -> None:
        """The same, on this node."""
        self.block_changes += 1
        if not on:
            self._blocks.get(user_id, {}).pop(blocked_id, None)
            return
        if self._bus.is_here(user_id):
            self._blocks.setdefault(user_id, {})[blocked_id] = None
        # As when one of them left a group: their watches are looked at again before anybody is told anything.
        self.membership_lost(user_id)

    def is_online(self, user_id: int) -> bool:
        """Whether others may see the user as there."""
        return user_id not in self._hidden and self._bus.is_online(user_id)

    def hides(self, user_id: int) -> bool:
        """Whether the user is shown to nobody."""
        return user_id in self._hidden

    def hide(self, user_id: int, hidden: bool) -> None:
        """The user hides from now on, or no longer, on every node."""
        if self._bus.relay is not None:
            self._bus.relay.hide(user_id, hidden)
        self.note_hidden(user_id, hidden)

    def note_hidden(self, user_id: int, hidden: bool) -> None:
        """The same, on this node."""
        if hidden == (user_id in self._hidden):
            return
        self.hide_changes += 1
        if hidden:
            self._hidden[user_id] = None
        else:
            self._hidden.pop(user_id, None)
        self._changed(user_id)

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
        standing = {each: self.is_online(each) for each in wanted if each in allowed}
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
            if each not in self._hidden
        ]

    def online_members(self, group_id: int, user_id: int) -> list[int]:
        """Members of a group who are connected to this node: by id, without those who hide from this user."""
        return sorted(each for each in self._bus.audience(group_id) if each == user_id or each not in self._hidden)

    def online_of(self, members: Sequence[int], user_id: int) -> list[int]:
        """Those of some members who are connected to any node: by id, without those who hide from this user."""
        return sorted(each for each in members if self.is_online(each) or (each == user_id and self._bus.is_here(each)))

    def typing(self, user_id: int, name: str, group_id: int) -> None:
        """Somebody types in a group: told at once, or (where others were just told of) within a second."""
        now = trio.current_time()
        while self._typed and next(iter(self._typed.values())) <= now - TYPING_AGAIN:
            self._typed.popitem(last=False)
        if user_id in self._hidden or (group_id, user_id) in self._typed:
            return
        self._typed[group_id, user_id] = now
        while self._typing_told and next(iter(self._typing_told.values())) <= now - ROUND:
            self._typing_told.popitem(last=False)
        if group_id not in self._typing_told:
            self._tell_typing(group_id, {user_id: Person(user_id, name)}, now)
            return
        waiting = self._typing.setdefault(group_id, {})
        if len(waiting) < wire.MAX_TYPING:
            waiting[user_id] = Person(user_id, name)
        self._typing_work.set()

    def _tell_typing(self, group_id: int, people: dict[int, Person], now: float) -> None:
        self._typing_told[group_id] = now
        self._typing_told.move_to_end(group_id)
        if self._bus.relay is not None:
            people_there = [(person.user_id, person.name) for person in people.values()]
            self._bus.relay.typing(group_id, self._bus.applied_of(group_id), people_there)
        self._tell_typing_here(group_id, people)

    def typing_elsewhere(self, group_id: int, at: int, people: Sequence[tuple[int, str]]) -> None:
        """People connected to another node type in a group; told to those who were in it at its event `at`, and are now."""
        if 0 < at <= self._bus.applied_of(group_id):
            self._tell_typing_here(group_id, {each: Person(each, name) for each, name in people}, at)

    def _tell_typing_here(self, group_id: int, people: dict[int, Person], at: int | None = None) -> None:
        # Who blocks one of them is told of the others alone, and who types alone is not told of it.
        apart = {
            user_id: tuple(person for each, person in people.items() if each not in self._blocks[user_id])
            for user_id in self._bus.audience(group_id)
            if user_id in self._blocks and not self._blocks[user_id].keys().isdisjoint(people)
        }
        for user_id, others in apart.items():
            if others:
                self._bus.publish_droppable_to_user(user_id, SharedFrames(encode(wire.TypingNow(group_id, others)), 1))
        blob = SharedFrames(encode(wire.TypingNow(group_id, tuple(people.values()))), 1)
        self._bus.publish_droppable(
            group_id, blob, but=apart.keys() | (people.keys() if len(people) == 1 else set[int]()), at=at
        )

    # The rounds.

    async def run(self) -> None:
        """Tell what changed, forever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_presence)
            nursery.start_soon(self._tell_who_types)

    async def _tell_presence(self) -> None:
        while True:
            await self._work.wait()
            await trio.sleep(ROUND)
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
        changed = [each for each in people if each in told and told[each] != self.is_online(each)]
        if not changed:
            return
        news = wire.PresenceChanged(tuple(self._presence(each) for each in changed))
        if not subscriber.put_hint(SharedFrames(encode(news), 0)):
            self._postpone(subscriber, people)
            return
        for each in changed:
            told[each] = self.is_online(each)

    def _postpone(self, subscriber: Subscriber, people: dict[int, None]) -> None:
        """To the next round: the connection has other things to read, or a departure has to be looked at first."""
        self._pending.setdefault(subscriber, {}).update(people)
        self._work.set()

    def _presence(self, user_id: int) -> wire.Presence:
        if self.is_online(user_id):
            return wire.Presence(user_id, True, 0)
        return wire.Presence(user_id, False, 0 if user_id in self._hidden else self._seen.get(user_id, 0))

    async def _settle(self, user_id: int) -> None:
        """End the watches between this user and people with whom they share no group any more. Raises Refusal."""
        departures = self._departures
        mine = [each for each in self._bus.connections(user_id) if each in self._told]
        theirs = list(self._watchers.get(user_id, ()))
        others = list(
            dict.fromkeys([*(each for one in mine for each in self._told[one]), *(w.user_id for w in theirs)])
        )
        shared: dict[int, None] = {}
        for start in range(0, len(others), CHUNK):
            part = others[start : start + CHUNK]
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

    async def _tell_who_types(self) -> None:
        while True:
            await self._typing_work.wait()
            await trio.sleep(ROUND)
            self._typing_work = trio.Event()
            typing, self._typing = self._typing, {}
            for group_id, people in typing.items():
                self._tell_typing(group_id, people, trio.current_time())
