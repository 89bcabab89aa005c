"""Password hashes with argon2id (RFC 9106), in threads and a few at a time, with the same cost for who does not exist."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, TypeVarTuple, Unpack

import argon2
import trio

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

MIN_LENGTH = 8
"""Characters, after NIST SP 800-63B; length is the only rule that helps."""


class Passwords:
    """Hashes and checks. Each takes 219 ms and 64 MiB by default, so `workers` bounds both; 0 hashes without a thread."""

    def __init__(self, time_cost: int, memory_kib: int, workers: int) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._limiter = trio.CapacityLimiter(workers) if workers else None
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """The hash to store. A cancel while waiting for a thread is immediate; a running hash is abandoned."""
        return await self._work(self._hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password belongs to the hash; None (no such user) takes as long and is False."""
        return (
            await self._work(self._check, self._nobody if stored is None else stored, password) and stored is not None
        )

    async def _work(self, function: Callable[[Unpack[Arguments]], T], *args: *Arguments) -> T:
        if self._limiter is None:
            await trio.lowlevel.checkpoint()
            return function(*args)
        return await trio.to_thread.run_sync(function, *args, limiter=self._limiter, abandon_on_cancel=True)

    def _check(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except argon2.exceptions.VerifyMismatchError:
            return False
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            # No password opens this account; its time must not tell so.
            with suppress(argon2.exceptions.VerificationError):
                self._hasher.verify(self._nobody, password)
            return False
