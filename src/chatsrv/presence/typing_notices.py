"""Who types in which group: told at once, then at most once a second for each group, and dropped first under load."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import trio

from chatsrv.bus.interface import SharedFrames
from chatsrv.bus.local import LocalBus
from chatsrv.presence.visibility import Visibility
from chatsrv_protocol import encode
from chatsrv_protocol import presence as wire
from chatsrv_protocol.session import Person

TYPING_AGAIN: Final = 3.0
"""Seconds within which the same person typing in the same group is said once."""

GROUP_INTERVAL_SECONDS: Final = 1.0
"""Between two notices of one group."""


class TypingNotices:
    """The notices of one node, as plain data beside the bus. `run` tells those that had to wait."""

    def __init__(self, bus: LocalBus, visibility: Visibility) -> None:
        self._bus = bus
        self._visibility = visibility
        self._typed: OrderedDict[tuple[int, int], float] = OrderedDict()
        """By group and user, when they were last taken note of."""
        self._told: OrderedDict[int, float] = OrderedDict()
        """By group, when it was last told."""
        self._waiting: dict[int, dict[int, Person]] = {}
        self._work = trio.Event()

    def typing(self, user_id: int, name: str, group_id: int) -> None:
        """Take note that somebody types in a group: told at once, or (where others were just told of) within a second."""
        now = trio.current_time()
        while self._typed and next(iter(self._typed.values())) <= now - TYPING_AGAIN:
            self._typed.popitem(last=False)
        if self._visibility.hides(user_id) or (group_id, user_id) in self._typed:
            return
        self._typed[group_id, user_id] = now
        while self._told and next(iter(self._told.values())) <= now - GROUP_INTERVAL_SECONDS:
            self._told.popitem(last=False)
        if group_id not in self._told:
            self._tell(group_id, {user_id: Person(user_id, name)}, now)
            return
        waiting = self._waiting.setdefault(group_id, {})
        if len(waiting) < wire.MAX_TYPING:
            waiting[user_id] = Person(user_id, name)
        self._work.set()

    def typing_elsewhere(self, group_id: int, at: int, people: Sequence[tuple[int, str]]) -> None:
        """Tell of people who type on another node those who were in the group at its event `at`, and are now."""
        if 0 < at <= self._bus.applied_of(group_id):
            self._tell_here(group_id, {each: Person(each, name) for each, name in people}, at)

    async def run(self) -> None:
        """Tell who had to wait, forever."""
        while True:
            await self._work.wait()
            await trio.sleep(GROUP_INTERVAL_SECONDS)
            self._work = trio.Event()
            waiting, self._waiting = self._waiting, {}
            for group_id, people in waiting.items():
                self._tell(group_id, people, trio.current_time())

    def _tell(self, group_id: int, people: dict[int, Person], now: float) -> None:
        self._told[group_id] = now
        self._told.move_to_end(group_id)
        if self._bus.relay is not None:
            names = [(person.user_id, person.name) for person in people.values()]
            self._bus.relay.typing(group_id, self._bus.applied_of(group_id), names)
        self._tell_here(group_id, people)

    def _tell_here(self, group_id: int, people: dict[int, Person], at: int | None = None) -> None:
        # Who blocks one of them is told of the others alone, and who types alone is not told of it.
        visibility = self._visibility
        apart = {
            user_id: tuple(person for each, person in people.items() if not visibility.blocks(user_id, each))
            for user_id in self._bus.audience(group_id)
            if visibility.blocks_any(user_id, people)
        }
        for user_id, others in apart.items():
            if others:
                self._bus.publish_droppable_to_user(user_id, SharedFrames(encode(wire.TypingNow(group_id, others)), 1))
        blob = SharedFrames(encode(wire.TypingNow(group_id, tuple(people.values()))), 1)
        self._bus.publish_droppable(
            group_id, blob, but=apart.keys() | (people.keys() if len(people) == 1 else set[int]()), at=at
        )
