"""The limits of logins over all nodes of a cluster: what one node let pass is counted in the database before argon2 runs.

Each node's own limits come first and cost nothing; so what reaches the database is bounded by them. Without the database
nobody logs in anyway, and the bus between nodes has no part in it.
"""

from collections.abc import Sequence
from typing import Final

from chatsrv.auth.login_limits import TIMES_PER_ADDRESS, TIMES_PER_USER
from chatsrv_storage.accounts import login_attempts
from chatsrv_storage.accounts.login_attempts import AttemptLimit
from chatsrv_storage.interface import Storage

WINDOW_MS: Final = 60_000

REGISTRATIONS_PER_MINUTE: Final = 30
"""Per address; each costs an argon2 hash."""


class SharedAttempts:
    """Counts attempts of all nodes. Without a storage there is one node, whose own limits are all: nothing is counted."""

    def __init__(self, storage: Storage | None, attempts_per_minute: int) -> None:
        self._storage = storage
        self._attempts = attempts_per_minute

    def of_login(self, user: str, address: str, *, known: bool) -> list[AttemptLimit]:
        """Return the limits of a login: of the address, of the pair, and of the user from addresses that are not theirs."""
        of_all = AttemptLimit(f"a {address}", self._attempts * TIMES_PER_ADDRESS, WINDOW_MS)
        limits = [of_all, AttemptLimit(f"p {address} {user}", self._attempts, WINDOW_MS)]
        return limits if known else [*limits, AttemptLimit(f"u {user}", self._attempts * TIMES_PER_USER, WINDOW_MS)]

    def of_session(self, session_id: int) -> list[AttemptLimit]:
        """Return the limit of old passwords that a session gives."""
        return [AttemptLimit(f"s {session_id}", self._attempts, WINDOW_MS)]

    def of_registration(self, address: str) -> list[AttemptLimit]:
        """Return the limit of accounts that an address makes."""
        return [AttemptLimit(f"r {address}", REGISTRATIONS_PER_MINUTE, WINDOW_MS)]

    async def is_known(self, user: str, address: str) -> bool:
        """Return whether the user came from this address before, on any node. Raises the storage's Refusal."""
        if self._storage is None:
            return False
        return await self._storage.read(lambda conn: login_attempts.is_known(conn, user, address), address)

    async def take(self, limits: Sequence[AttemptLimit], now_ms: int) -> float:
        """Count an attempt; return 0, or the seconds to wait where it is refused. Raises the storage's Refusal."""
        if self._storage is None:
            return 0.0
        return await self._storage.write(lambda conn: login_attempts.take(conn, limits, now_ms)) / 1000

    async def give_back(self, limits: Sequence[AttemptLimit], now_ms: int) -> None:
        """Take the attempt back: it was no guess. Raises the storage's Refusal."""
        if self._storage is not None:
            await self._storage.write(lambda conn: login_attempts.give_back(conn, limits, now_ms))

    async def sweep(self, now_ms: int) -> None:
        """Drop what is given back. Raises the storage's Refusal."""
        if self._storage is not None:
            await self._storage.write(lambda conn: login_attempts.sweep(conn, now_ms))
