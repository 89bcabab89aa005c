"""Who may see whom: users who hide, and whom users block, as this node has to know them to tell anybody anything."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from chatsrv.bus.local import LocalBus
from chatsrv_storage.accounts import profiles
from chatsrv_storage.interface import Storage


class VisibilityObserver(Protocol):
    """Somebody who has to know who is seen by whom. Called in the middle of a change: plain data, no awaits."""

    def visibility_changed(self, user_id: int) -> None:
        """Take note that a user hides from now on, or no longer."""
        ...

    def block_added(self, user_id: int) -> None:
        """Take note that a user blocks somebody whom they did not."""
        ...


class Visibility:
    """Who hides, and the blocks of users who are connected here, as plain data beside the bus."""

    def __init__(self, bus: LocalBus, storage: Storage) -> None:
        self._bus = bus
        self._storage = storage
        self._hidden: dict[int, None] = {}
        self._blocks: dict[int, dict[int, None]] = {}
        self.listeners: list[VisibilityObserver] = []
        self.block_changes = 0
        """Grows with each change of anybody's blocks: what was read before it may be old."""
        self.hide_changes = 0
        """Grows whenever somebody hides or shows themselves: who hides, as it was read before it, may be old."""

    async def load(self) -> None:
        """Read who hides; before any connection."""
        self._hidden = dict.fromkeys(await self._storage.read(profiles.hidden_users))

    def is_online(self, user_id: int) -> bool:
        """Whether others may see the user as online."""
        return user_id not in self._hidden and self._bus.is_online(user_id)

    def hides(self, user_id: int) -> bool:
        """Whether the user is shown to nobody."""
        return user_id in self._hidden

    def online_members(self, group_id: int, user_id: int) -> list[int]:
        """Return the members of a group who are connected to this node, by id, without those who hide from this user."""
        return sorted(each for each in self._bus.audience(group_id) if each == user_id or each not in self._hidden)

    def online_of(self, members: Sequence[int], user_id: int) -> list[int]:
        """Return those of some members who are connected to any node, by id, without those who hide from this user."""
        return sorted(each for each in members if self.is_online(each) or (each == user_id and self._bus.is_here(each)))

    def hide(self, user_id: int, hidden: bool) -> None:
        """Hide the user from now on, or no longer, on every node."""
        if self._bus.relay is not None:
            self._bus.relay.hide(user_id, hidden)
        self.note_hidden(user_id, hidden)

    def note_hidden(self, user_id: int, hidden: bool) -> None:
        """Do as `hide` does, on this node."""
        if hidden == (user_id in self._hidden):
            return
        self.hide_changes += 1
        if hidden:
            self._hidden[user_id] = None
        else:
            self._hidden.pop(user_id, None)
        for listener in self.listeners:
            listener.visibility_changed(user_id)

    def set_blocks(self, user_id: int, blocked: Sequence[int]) -> None:
        """Set whom a user blocks who has just connected."""
        if blocked:
            self._blocks[user_id] = dict.fromkeys(blocked)

    def forget_blocks(self, user_id: int) -> None:
        """Forget whom a user blocks who is connected no more."""
        self._blocks.pop(user_id, None)

    def block_changed(self, user_id: int, blocked_id: int, on: bool) -> None:
        """Note, on every node, that the user blocks somebody or lets them again: watches between the two end."""
        if self._bus.relay is not None:
            self._bus.relay.block(user_id, blocked_id, on)
        self.note_block(user_id, blocked_id, on)

    def note_block(self, user_id: int, blocked_id: int, on: bool) -> None:
        """Do as `block_changed` does, on this node."""
        self.block_changes += 1
        if not on:
            self._blocks.get(user_id, {}).pop(blocked_id, None)
            return
        if self._bus.is_here(user_id):
            self._blocks.setdefault(user_id, {})[blocked_id] = None
        for listener in self.listeners:
            listener.block_added(user_id)

    def replace_blocks(self, people: Sequence[int], blocked: Mapping[int, Sequence[int]]) -> None:
        """Set whom these users block who are connected here, where it may not have been told; their watches are checked."""
        for user_id in people:
            if self._bus.is_here(user_id):
                self.forget_blocks(user_id)
                self.set_blocks(user_id, blocked.get(user_id, ()))
        for listener in self.listeners:
            for user_id in people:
                listener.block_added(user_id)

    def blocks_any(self, user_id: int, people: Iterable[int]) -> bool:
        """Whether a user who is connected here blocks one of these people."""
        return user_id in self._blocks and not self._blocks[user_id].keys().isdisjoint(people)

    def blocks(self, user_id: int, other_id: int) -> bool:
        """Whether a user who is connected here blocks this one."""
        return other_id in self._blocks.get(user_id, ())
