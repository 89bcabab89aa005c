"""Rate limits of face-to-face codes: five attempts a user in three minutes, and fair shares of an address and of the server.

Windows are exact (the times themselves are kept), since the rule is: five in three minutes, not five and then one every
36 seconds. An address has a budget, and the server has one. Where a budget is used up, whoever has used less than a
fair share of it may still go on: on the server an address with less than the budget divided by the addresses that tried,
within an address a user who has not tried yet. So a crowd that sweeps the codes uses up its own share, and an honest
pair among it, behind the same address or another, still gets in.
"""

from collections import deque
from typing import Final

import attrs

WINDOW: Final = 180_000
"""Milliseconds."""

PER_USER: Final = 5
PER_SOURCE: Final = 1_000
"""A full group of 500 behind one address may be there, and each of them mistype once."""

PER_SERVER: Final = 20_000
"""Bounds the memory of it all: twice as many times are kept at most (see `take`)."""

assert PER_USER < PER_SOURCE < PER_SERVER


@attrs.define(slots=True)
class _Source:
    times: deque[int] = attrs.Factory(deque[int])
    users: dict[int, int] = attrs.Factory(dict[int, int])


class Attempts:
    """Counts attempts. `now` is in milliseconds of one clock that never goes back."""

    def __init__(self, per_user: int = PER_USER, per_source: int = PER_SOURCE, per_server: int = PER_SERVER) -> None:
        self.per_user = per_user
        self.per_source = per_source
        self.per_server = per_server
        self._log: deque[tuple[int, int, str]] = deque()
        self._users: dict[int, deque[int]] = {}
        self._sources: dict[str, _Source] = {}

    def __len__(self) -> int:
        return len(self._log)

    def take(self, user_id: int, source: str, now: int) -> int:
        """Use one attempt up: 0 if that was possible, else the milliseconds until it will be (and nothing was used)."""
        self._forget(now - WINDOW)
        blocking = self._blocking(user_id, source)
        if blocking:
            return max(blocking) + WINDOW - now
        self._note(user_id, source, now)
        return 0

    def _blocking(self, user_id: int, source: str) -> list[int]:
        """Return the times of the attempts that have to expire first; none if there is room."""
        blocking: list[int] = []
        mine, ours = self._users.get(user_id), self._sources.get(source)
        used = 0 if ours is None else len(ours.times)
        if mine is not None and len(mine) >= self.per_user:
            blocking.append(mine[0])
        if mine is not None and ours is not None and used >= self.per_source and user_id in ours.users:
            blocking.append(min(ours.times[used - self.per_source], mine[-1]))
        share = self.per_server // (len(self._sources) + (ours is None))
        over = len(self._log) - (self.per_server if used >= share else 2 * self.per_server)
        if over >= 0:
            blocking.append(self._log[over][0])
        return blocking

    def _note(self, user_id: int, source: str, now: int) -> None:
        self._log.append((now, user_id, source))
        self._users.setdefault(user_id, deque()).append(now)
        ours = self._sources.setdefault(source, _Source())
        ours.times.append(now)
        ours.users[user_id] = ours.users.get(user_id, 0) + 1

    def _forget(self, before: int) -> None:
        """Drop what is as old as the window; each attempt is dropped once, so the cost is that of noting it."""
        while self._log and self._log[0][0] <= before:
            _, user_id, source = self._log.popleft()
            mine, ours = self._users[user_id], self._sources[source]
            mine.popleft()
            ours.times.popleft()
            ours.users[user_id] -= 1
            if not ours.users[user_id]:
                del ours.users[user_id]
            if not mine:
                del self._users[user_id]
            if not ours.times:
                del self._sources[source]
