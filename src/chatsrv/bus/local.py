"""The audiences of one node: which connections each user has, and which of them hear each group, from where on."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from chatsrv.bus.elsewhere import Elsewhere
from chatsrv.bus.feed import Feed
from chatsrv.bus.interface import PresenceObserver, Relay, SharedFrames, Subscriber
from chatsrv.bus.parcels import EventFrame, Joined, Left, Parcel, VariedFrame
from chatsrv_protocol import limits


class _Place:
    """The groups that one connection hears."""

    __slots__ = ("_left", "_newest", "groups", "version")

    def __init__(self) -> None:
        self.groups: dict[int, int] | None = None
        """By group the seq after which it hears; None while its login is under way."""
        self.version = 0
        """The version of the user's list of groups that was read for it."""
        self._newest = 0
        self._left: dict[int, int] | None = None

    def note_joined(self, version: int) -> None:
        """Note that the user joined a group: a list of groups that was read before is outdated."""
        self._newest = max(self._newest, version)

    def note_left(self, group_id: int, seq: int) -> None:
        """Note that the user left a group with this event.

        The event that removed them earlier may be delivered later, where nobody heard the group.
        """
        left = self._left or {}
        self._left = {**left, group_id: max(seq, left.get(group_id, 0))}

    def may_join(self, group_id: int, seq: int, version: int) -> bool:
        """Whether this event lets the connection hear a group: not what its login knew of, or what they left since."""
        groups, left = self.groups or {}, self._left or {}
        return version > self.version and group_id not in groups and left.get(group_id, 0) < seq

    def is_current(self, heads: Mapping[int, int], version: int) -> bool:
        """Whether what was read holds all that was noted."""
        left = self._left or {}
        return self._newest <= version and all(seq <= heads.get(group_id, seq) for group_id, seq in left.items())

    def set_groups(self, groups: dict[int, int], version: int) -> None:
        """Set the groups after the login, or after they were read again."""
        self.groups, self.version = groups, version


class LocalBus:
    """The audiences of one node, changed between two awaits: dicts, not sets, so that a seeded run repeats itself."""

    __slots__ = ("_elsewhere", "_feeds", "_new", "_users", "gap_listeners", "listeners", "relay")

    def __init__(self, relay: Relay | None = None) -> None:
        """Make a bus; `relay` publishes to other nodes what is published here."""
        self.listeners: list[PresenceObserver] = []
        self.gap_listeners: list[Callable[[int, bool], None]] = []
        """Called with a group of which an event came too early, and whether this node committed it: somebody has to read what
        is missing, and let it be taken.
        """
        self.relay: Final = relay
        self._elsewhere = Elsewhere()
        self._feeds: dict[int, Feed] = {}
        self._new: dict[int, None] | None = None  # groups heard since somebody asked for new ones; None: nobody did
        self._users: dict[int, dict[Subscriber, _Place]] = {}

    # Connections.

    def register(self, subscriber: Subscriber) -> None:
        """Register a connection: `connections` names it and changes of its user's groups are noted; it hears nothing yet.

        Before its login is answered, a client takes small frames only; what it misses until `attach` is made up for there, since
        such notices are hints, and the client asks for the truth after its login.
        """
        connections = self._users.setdefault(subscriber.user_id, {})
        connections[subscriber] = _Place()
        if len(connections) == 1:
            if self.relay is not None:
                self.relay.user_here(subscriber.user_id, True)
            for listener in self.listeners:
                listener.user_online(subscriber.user_id)

    def unregister(self, subscriber: Subscriber) -> None:
        """Remove a closed connection from its user and from all audiences."""
        connections = self._users.get(subscriber.user_id, {})
        if subscriber not in connections:
            return
        for group_id in connections.pop(subscriber).groups or ():
            self._leave(subscriber, group_id)
        for listener in self.listeners:
            listener.connection_closed(subscriber)
        if not connections:
            self._users.pop(subscriber.user_id, None)
            if self.relay is not None:
                self.relay.user_here(subscriber.user_id, False)
            if not self._elsewhere.has(subscriber.user_id):
                for listener in self.listeners:
                    listener.user_offline(subscriber.user_id)

    def attach(self, subscriber: Subscriber, heads: Mapping[int, int], version: int) -> bool:
        """Let a connection hear what is for its user, these groups and no others, each after its head.

        heads, version: the groups of the user by id, and the version of that list, read in one snapshot while the connection was
        registered. Returns False, and does nothing, where the snapshot lacks a change that was published since, or what a feed
        began with: read again.
        """
        place, feeds = self._users[subscriber.user_id][subscriber], self._feeds
        if not place.is_current(heads, version):
            return False
        if any(group_id in feeds and head < feeds[group_id].began for group_id, head in heads.items()):
            return False
        before = place.groups or {}
        for group_id in before:
            if group_id not in heads:
                self._leave(subscriber, group_id)
        groups: dict[int, int] = {}
        for group_id, head in heads.items():
            if group_id in before:
                groups[group_id] = before[group_id]
                continue
            feed = feeds.get(group_id)
            if feed is None:
                feed = feeds[group_id] = Feed(head)
                self._note_new(group_id)
            groups[group_id] = feed.enter(subscriber, head)
        place.set_groups(groups, version)
        return True

    def _leave(self, subscriber: Subscriber, group_id: int) -> None:
        feed = self._feeds[group_id]
        feed.leave(subscriber)
        if feed.is_silent:
            del self._feeds[group_id]

    # What groups tell.

    def tell(self, parcel: Parcel) -> None:
        """Tell what a commit of this node led to, here and on the other nodes."""
        if self.relay is not None:
            self.relay.tell(parcel)
        self.take(parcel, is_own=True)

    def take(self, parcel: Parcel, *, is_own: bool = False) -> None:
        """Tell here what a commit led to, each event once and after all before it. `is_own`: this node committed it."""
        if not parcel.last:
            self._deliver(Feed(0), parcel)
            return
        feed = self._feeds.get(parcel.group_id)
        if feed is None:
            feed = Feed(parcel.first - 1)
        for due in feed.due(parcel):
            self._deliver(feed, due)
        if feed.waiting:
            self._report_gap(parcel.group_id, feed, is_own)

    def _report_gap(self, group_id: int, feed: Feed, is_own: bool) -> None:
        if feed.missing is not None:
            for listener in self.gap_listeners:
                listener(group_id, is_own)

    def hold(self, parcel: Parcel) -> bool:
        """Keep what is due until something else of its group is told, or `release`; False where it has to be taken now."""
        feed = self._feeds.get(parcel.group_id)
        return feed is not None and feed.hold(parcel)

    def release(self, group_id: int) -> None:
        """Tell what is held of a group."""
        feed = self._feeds.get(group_id)
        if feed is not None:
            for due in feed.held():
                self._deliver(feed, due)
            self._report_gap(group_id, feed, is_own=False)

    def missing(self, group_id: int) -> tuple[int, int] | None:
        """Return (after, before): which of a group's seqs are waited for here; None if none is."""
        feed = self._feeds.get(group_id)
        return None if feed is None else feed.missing

    def applied(self) -> dict[int, int]:
        """Return the groups heard here, with the last event of each that was delivered."""
        return {group_id: feed.applied for group_id, feed in self._feeds.items()}

    def _note_new(self, group_id: int) -> None:
        if self._new is not None:
            self._new[group_id] = None

    def take_new_groups(self) -> list[int]:
        """Return the groups that began to be heard here since the last call, and still are; at the first call all."""
        new = self._feeds if self._new is None else self._new
        found = [group_id for group_id in new if group_id in self._feeds]
        self._new = {}
        return found

    def lacks(self, group_id: int, head: int) -> bool:
        """Return whether the group is heard here, and not told up to this event."""
        feed = self._feeds.get(group_id)
        return feed is not None and feed.applied < head

    def applied_of(self, group_id: int) -> int:
        """Return the last event of this group that was delivered; 0 where nobody hears it here."""
        feed = self._feeds.get(group_id)
        return 0 if feed is None else feed.applied

    def _deliver(self, feed: Feed, parcel: Parcel) -> None:
        """Hand out a parcel whose turn it is: of events only those not told yet. A blob ends where the audience changes."""
        frames: list[bytes] = []
        size = 0
        told = feed.applied
        for item in parcel.items:
            if isinstance(item, EventFrame):
                if item.seq <= told:
                    continue
                if feed.entering:
                    if frames:
                        self._hand_out(feed, frames)
                        size = 0
                    feed.admit(item.seq - 1)
                if size and size + len(item.frame) > limits.MAX_BATCH_BYTES:
                    self._hand_out(feed, frames)
                    size = 0
                frames.append(item.frame)
                size += len(item.frame)
                continue
            if frames:
                self._hand_out(feed, frames)
                size = 0
            if isinstance(item, VariedFrame):
                if item.seq > told:
                    feed.admit(item.seq - 1)
                    self._hand_out_varied(feed, item)
                continue
            if isinstance(item, Joined):
                if item.seq <= told:
                    continue  # they may have left since; who looks at their version finds out
                self._join(feed, parcel.group_id, item)
            elif isinstance(item, Left):
                self._part(feed, parcel.group_id, item)
            if item.frame:
                self.hand_to_user(item.user_id, SharedFrames(item.frame, 1))
        if frames:
            self._hand_out(feed, frames)
        feed.advance(parcel.last)

    def _hand_out(self, feed: Feed, frames: list[bytes]) -> None:
        if feed.audience:
            blob = SharedFrames(b"".join(frames), len(frames))
            for put_event in feed.audience.values():
                put_event(blob)
        frames.clear()

    def _hand_out_varied(self, feed: Feed, item: VariedFrame) -> None:
        blob = SharedFrames(item.frame, 1)
        variants = {user_id: SharedFrames(frame, 1) for user_ids, frame in item.variants for user_id in user_ids}
        for subscriber, put_event in feed.audience.items():
            put_event(variants.get(subscriber.user_id, blob))

    def _join(self, feed: Feed, group_id: int, item: Joined) -> None:
        """Let all connections of the user hear the group, but those whose login knows of it already."""
        for subscriber, place in self._users.get(item.user_id, {}).items():
            place.note_joined(item.version)
            if place.groups is not None and place.may_join(group_id, item.seq, item.version):
                if group_id not in self._feeds:
                    self._feeds[group_id] = feed
                    self._note_new(group_id)
                place.groups[group_id] = item.seq
                feed.audience[subscriber] = subscriber.put_event

    def _part(self, feed: Feed, group_id: int, item: Left) -> None:
        """Let no connection of the user hear the group any more, but those whose login knows that they came back."""
        for listener in self.listeners:
            listener.membership_lost(item.user_id)
        for subscriber, place in self._users.get(item.user_id, {}).items():
            if place.groups is None:
                place.note_left(group_id, item.seq)
            elif place.groups.get(group_id, item.seq) < item.seq:
                place.note_left(group_id, item.seq)
                del place.groups[group_id]
                self._leave(subscriber, group_id)

    # What users are told.

    def publish_to_user(self, user_id: int, blob: SharedFrames) -> None:
        """Hand frames to all connections of a user, on every node."""
        if self.relay is not None:
            self.relay.tell_user(user_id, blob)
        self.hand_to_user(user_id, blob)

    def hand_to_user(self, user_id: int, blob: SharedFrames) -> None:
        """Hand frames to the user's connections here."""
        for subscriber, place in self._users.get(user_id, {}).items():
            if place.groups is not None:
                subscriber.put_event(blob)

    def publish_droppable(self, group_id: int, blob: SharedFrames, but: Collection[int], at: int | None = None) -> None:
        """Hand frames that may be lost to everybody here who hears the group but these users, where nothing else waits.

        With `at` only to those who heard the group when that event was the last: the hint was made on another node then.
        """
        feed = self._feeds.get(group_id)
        for subscriber in feed.audience if feed is not None else ():
            if subscriber.user_id not in but and (at is None or self._heard_at(subscriber, group_id, at)):
                subscriber.put_hint(blob)

    def _heard_at(self, subscriber: Subscriber, group_id: int, at: int) -> bool:
        return (self._users[subscriber.user_id][subscriber].groups or {}).get(group_id, at + 1) <= at

    def publish_droppable_to_user(self, user_id: int, blob: SharedFrames) -> None:
        """Hand frames that may be lost to the user's connections here, where nothing else waits."""
        for subscriber, place in self._users.get(user_id, {}).items():
            if place.groups is not None:
                subscriber.put_hint(blob)

    def end_sessions(self, user_id: int, session_ids: list[int], reason: str) -> None:
        """End the connections of these sessions, on every node."""
        if self.relay is not None and session_ids:
            self.relay.end_sessions(user_id, session_ids, reason)
        self.end_sessions_here(user_id, session_ids, reason)

    def end_sessions_here(self, user_id: int, session_ids: Collection[int], reason: str) -> None:
        """End the connections of these sessions to this node."""
        for subscriber in self.connections(user_id):
            if subscriber.session_id in session_ids:
                subscriber.end(reason)

    # Who is here.

    def users(self) -> Collection[int]:
        """Return the users who have a connection here."""
        return self._users.keys()

    def version_of(self, subscriber: Subscriber) -> int | None:
        """Return the version of the list of groups that was read for a connection; None while its login is under way."""
        place = self._users.get(subscriber.user_id, {}).get(subscriber)
        return None if place is None or place.groups is None else place.version

    def groups_of(self, subscriber: Subscriber) -> set[int] | None:
        """Return the groups a connection hears; None while its login is under way, and when it is closed."""
        place = self._users.get(subscriber.user_id, {}).get(subscriber)
        return None if place is None or place.groups is None else set(place.groups)

    def connections(self, user_id: int) -> list[Subscriber]:
        """Return the user's connections here."""
        return list(self._users.get(user_id, ()))

    def group_count(self, subscriber: Subscriber) -> int:
        """Return how many groups a connection hears; 0 until it is attached."""
        place = self._users.get(subscriber.user_id, {}).get(subscriber)
        return 0 if place is None else len(place.groups or ())

    def is_here(self, user_id: int) -> bool:
        """Whether the user has a connection to this node."""
        return user_id in self._users

    def is_online(self, user_id: int) -> bool:
        """Whether the user has a connection to any node."""
        return user_id in self._users or self._elsewhere.has(user_id)

    def is_elsewhere(self, user_id: int) -> bool:
        """Whether the user has a connection to another node."""
        return self._elsewhere.has(user_id)

    @property
    def has_elsewhere(self) -> bool:
        """Whether anybody is connected to another node."""
        return self._elsewhere.is_populated

    def set_elsewhere(self, node: str, users: Collection[int]) -> None:
        """Set the users who are connected to another node."""
        self._tell_presence(*self._elsewhere.replace(node, users))

    def change_elsewhere(self, node: str, user_id: int, here: bool) -> None:
        """Note that a user connected to another node, or closed the last connection there."""
        self._tell_presence(*self._elsewhere.change(node, user_id, here))

    def _tell_presence(self, came: Iterable[int], went: Iterable[int]) -> None:
        for user_id in came:
            if user_id not in self._users:
                for listener in self.listeners:
                    listener.user_online(user_id)
        for user_id in went:
            if user_id not in self._users:
                for listener in self.listeners:
                    listener.user_offline(user_id)

    def hears(self, user_id: int, group_id: int) -> bool:
        """Whether a connection of the user hears the group here, which is to say that they are in it."""
        return any(
            place.groups is not None and group_id in place.groups for place in self._users.get(user_id, {}).values()
        )

    def audience(self, group_id: int) -> list[int]:
        """Return the users who hear the group here."""
        feed = self._feeds.get(group_id)
        return [] if feed is None else list(dict.fromkeys(each.user_id for each in (*feed.audience, *feed.entering)))
