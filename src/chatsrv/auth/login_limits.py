"""Rate limits of password guesses: by user and address together, by user, by address, and by session."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Final

from chatsrv.auth.throttle import Throttle

TIMES_PER_USER: Final = 10
"""Failed logins of one user from all addresses together, in attempts of one address."""

TIMES_PER_ADDRESS: Final = 10
"""Failed logins of one address for all users together, in attempts for one user."""

LOG_LINES_PER_MINUTE: Final = 10
"""Refusals that are logged; all are counted."""

MAX_KNOWN: Final = 50_000
"""Pairs of user and address kept that have logged in; the one that did so longest ago is forgotten first."""

NOTE_INTERVAL_MS: Final = 24 * 3600 * 1000
"""The same pair is stored once in this time."""

MAX_UNSAVED: Final = 10_000
"""Pairs that wait for being stored, on a full disk above all; what exceeds them is known until the server stops."""


class LoginLimits:
    """Limits guesses in a way that a stranger's guesses lock no user out.

    Guesses from one address use up what that address may guess for a user. Those of many addresses use up the user's own
    limit; addresses from which the user logged in before do not take from it. The owner loads the addresses of earlier runs
    and stores the new ones (`load`, `unsaved`, `saved`).
    """

    def __init__(self, attempts_per_minute: int) -> None:
        rate = attempts_per_minute / 60
        self._pairs = Throttle(rate, attempts_per_minute)
        self._users = Throttle(rate * TIMES_PER_USER, attempts_per_minute * TIMES_PER_USER)
        self._addresses = Throttle(rate, attempts_per_minute)  # each attempt takes a part of one
        self._known: OrderedDict[tuple[str, str], int] = OrderedDict()  # and when it was stored, ms since 1970
        self._unsaved: dict[tuple[int, str], None] = {}
        self._lines = Throttle(LOG_LINES_PER_MINUTE / 60, LOG_LINES_PER_MINUTE)
        self.refused = 0
        """Attempts that were refused, for the metrics."""

    def take(self, user: str, address: str, now: float) -> float:
        """Count an attempt before the password is checked: 0, or the seconds to wait where it is refused."""
        pair = user, address
        wait = self._addresses.take(address, now, 1 / TIMES_PER_ADDRESS) or self._pairs.take(pair, now)
        if not wait and pair not in self._known:
            wait = self._users.take(user, now)
        self.refused += wait > 0
        return wait

    def succeeded(self, user: str, address: str, now: float) -> None:
        """Give back the attempt of a login that succeeded: it was no guess."""
        pair = user, address
        self._addresses.give_back(address, now, 1 / TIMES_PER_ADDRESS)
        self._pairs.give_back(pair, now)
        if pair not in self._known:
            self._users.give_back(user, now)

    def knows(self, user: str, address: str) -> bool:
        """Return whether the user logged in from this address before, as far as this node was told."""
        return (user, address) in self._known

    def is_used_up(self, user: str, address: str, now: float) -> bool:
        """Return whether the address itself may guess no more now, for this user or at all; who it is makes no difference."""
        return self._addresses.wait(address, now) > 0 or self._pairs.wait((user, address), now) > 0

    def note_refused(self) -> None:
        """Count an attempt that the nodes together refused."""
        self.refused += 1

    def load(self, pairs: Iterable[tuple[str, str, int]]) -> None:
        """Load (user, address, time in ms) of earlier runs, the oldest first."""
        for user, address, noted_ms in pairs:
            self._know((user, address), noted_ms)

    def came_in(self, user_id: int, user: str, address: str, now_ms: int) -> None:
        """Note that a user logged in or resumed a session from this address, which becomes a known one of theirs."""
        pair = user, address
        noted_ms = self._known.get(pair)
        if noted_ms is None or not 0 <= now_ms - noted_ms < NOTE_INTERVAL_MS:
            noted_ms = now_ms
            if len(self._unsaved) < MAX_UNSAVED:
                self._unsaved[user_id, address] = None
        self._know(pair, noted_ms)

    def unsaved(self) -> list[tuple[int, str]]:
        """Return (user id, address) of those that should be stored, until `saved` says that they are."""
        return list(self._unsaved)

    def saved(self, pairs: Iterable[tuple[int, str]]) -> None:
        """Note that these are stored."""
        for pair in pairs:
            self._unsaved.pop(pair, None)

    def _know(self, pair: tuple[str, str], noted_ms: int) -> None:
        self._known[pair] = noted_ms
        self._known.move_to_end(pair)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def may_log(self, now: float) -> bool:
        """Whether a refusal is logged: who guesses fast must not fill the log."""
        return self._lines.take("log", now) == 0

    def take_of_session(self, session_id: Hashable, now: float) -> float:
        """Count an old password that a session gives: 0, or the seconds to wait."""
        wait = self._pairs.take(session_id, now)
        self.refused += wait > 0
        return wait

    def session_succeeded(self, session_id: Hashable, now: float) -> None:
        """Give back the attempt of a session whose old password was right."""
        self._pairs.give_back(session_id, now)
