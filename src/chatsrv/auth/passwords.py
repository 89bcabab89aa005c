"""Password hashes with argon2id (RFC 9106), in threads and a few at a time, with the same cost for who does not exist."""

import argon2
import trio

MIN_LENGTH = 8
"""Characters, after NIST SP 800-63B; length is the only rule that helps."""


class Passwords:
    """Hashes and checks. Each takes 219 ms and 64 MiB by default, so `workers` bounds both."""

    def __init__(self, time_cost: int, memory_kib: int, workers: int) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._limiter = trio.CapacityLimiter(workers)
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The hash to store. A cancel while waiting for a thread is immediate; a running hash is abandoned."""
        return await trio.to_thread.run_sync(self._hasher.hash, password, limiter=self._limiter, abandon_on_cancel=True)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password belongs to the hash; None (no such user) takes as long and is False."""
        found = await trio.to_thread.run_sync(
            self._check, stored or self._nobody, password, limiter=self._limiter, abandon_on_cancel=True
        )
        return found and stored is not None

    def _check(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
