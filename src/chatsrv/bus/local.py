"""The audiences of one node: which connections each user has, and which connections hear each group."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from chatsrv.bus.interface import PresenceObserver, SharedFrames, Subscriber

_NOBODY: Final[dict[Subscriber, Callable[[SharedFrames], None]]] = {}


class LocalBus:
    """Plain data, changed between two awaits: dicts, not sets, so that a seeded run repeats itself."""

    __slots__ = ("_groups", "_users", "_versions", "listeners")

    def __init__(self) -> None:
        self.listeners: list[PresenceObserver] = []
        # By group, who hears it and where they take events: one call for each delivery, and not one more.
        self._groups: dict[int, dict[Subscriber, Callable[[SharedFrames], None]]] = {}
        # The groups each connection is attached to; None until `attach`, while its login is under way.
        self._users: dict[int, dict[Subscriber, dict[int, None] | None]] = {}
        self._versions: dict[int, int] = {}

    def register(self, subscriber: Subscriber) -> None:
        """From here on `connections` names it and `version_of` follows its user's changes; it hears nothing yet.

        Before it is told that it is logged in, a client takes small frames only; what it misses, `attach` makes good,
        since what a client is told by the way are hints, and it asks for the truth after its login.
        """
        connections = self._users.setdefault(subscriber.user_id, {})
        connections[subscriber] = None
        if len(connections) == 1:
            for listener in self.listeners:
                listener.user_online(subscriber.user_id)

    def unregister(self, subscriber: Subscriber) -> None:
        """The connection is gone: it leaves its user and all audiences."""
        connections = self._users.get(subscriber.user_id, {})
        if subscriber not in connections:
            return
        for group_id in connections.pop(subscriber) or ():
            self._leave(subscriber, group_id)
        for listener in self.listeners:
            listener.connection_closed(subscriber)
        if not connections:
            self._users.pop(subscriber.user_id, None)
            self._versions.pop(subscriber.user_id, None)
            for listener in self.listeners:
                listener.user_offline(subscriber.user_id)

    def attach(self, subscriber: Subscriber, group_ids: Iterable[int]) -> None:
        """From here on the connection hears what is for its user, these groups and no others."""
        before = self._users[subscriber.user_id][subscriber] or {}
        wanted = self._users[subscriber.user_id][subscriber] = dict.fromkeys(group_ids)
        for group_id in before:
            if group_id not in wanted:
                self._leave(subscriber, group_id)
        for group_id in wanted:
            self._groups.setdefault(group_id, {})[subscriber] = subscriber.put_event

    def join(self, user_id: int, group_id: int, version: int) -> None:
        """All connections of the user hear the group from here on."""
        self._note(user_id, version)
        for subscriber, attached in self._users.get(user_id, {}).items():
            if attached is not None:
                attached[group_id] = None
                self._groups.setdefault(group_id, {})[subscriber] = subscriber.put_event

    def part(self, user_id: int, group_id: int, version: int) -> None:
        """No connection of the user hears the group from here on."""
        for listener in self.listeners:
            listener.membership_lost(user_id)
        self._note(user_id, version)
        self.detach(user_id, group_id)

    def detach(self, user_id: int, group_id: int) -> None:
        """The same without a change of membership: a `join` is about to say from where on they may hear the group."""
        for subscriber, attached in self._users.get(user_id, {}).items():
            if attached is not None and attached.pop(group_id, group_id) is None:
                self._leave(subscriber, group_id)

    def _note(self, user_id: int, version: int) -> None:
        # The channels of two groups may be woken in either order after their commits: it must not go back.
        if user_id in self._users:
            self._versions[user_id] = max(version, self._versions.get(user_id, 0))

    def _leave(self, subscriber: Subscriber, group_id: int) -> None:
        audience = self._groups[group_id]
        del audience[subscriber]
        if not audience:
            del self._groups[group_id]

    def version_of(self, user_id: int) -> int:
        """The latest membership version a change brought while the user was connected; 0 if there was none."""
        return self._versions.get(user_id, 0)

    def publish(self, group_id: int, blob: SharedFrames) -> None:
        """Hand frames to everybody who hears the group."""
        for put_event in self._groups.get(group_id, _NOBODY).values():
            put_event(blob)

    def publish_split(self, group_id: int, blob: SharedFrames, variants: Mapping[int, SharedFrames]) -> None:
        """Hand frames to everybody who hears the group; to the users in `variants` theirs in their place."""
        for subscriber, put_event in self._groups.get(group_id, _NOBODY).items():
            put_event(variants.get(subscriber.user_id, blob))

    def publish_to_user(self, user_id: int, blob: SharedFrames) -> None:
        """Hand frames to all connections of a user."""
        for subscriber, attached in self._users.get(user_id, {}).items():
            if attached is not None:
                subscriber.put_event(blob)

    def connections(self, user_id: int) -> list[Subscriber]:
        """The user's connections now."""
        return list(self._users.get(user_id, ()))

    def group_count(self, subscriber: Subscriber) -> int:
        """How many groups a connection hears; 0 until it is attached."""
        return len(self._users.get(subscriber.user_id, {}).get(subscriber) or ())

    def is_online(self, user_id: int) -> bool:
        """Whether the user has a connection."""
        return user_id in self._users

    def hears(self, user_id: int, group_id: int) -> bool:
        """Whether a connection of the user hears the group, which is to say that they are in it."""
        return any(attached is not None and group_id in attached for attached in self._users.get(user_id, {}).values())

    def audience(self, group_id: int) -> list[int]:
        """The users who hear the group."""
        return list(dict.fromkeys(subscriber.user_id for subscriber in self._groups.get(group_id, ())))

    def publish_droppable(self, group_id: int, blob: SharedFrames, but: Collection[int]) -> None:
        """Hand frames that may be lost to everybody who hears the group but these users, where nothing else waits."""
        for subscriber in self._groups.get(group_id, ()):
            if subscriber.user_id not in but:
                subscriber.put_hint(blob)

    def publish_droppable_to_user(self, user_id: int, blob: SharedFrames) -> None:
        """Hand frames that may be lost to all connections of a user, where nothing else waits."""
        for subscriber, attached in self._users.get(user_id, {}).items():
            if attached is not None:
                subscriber.put_hint(blob)
