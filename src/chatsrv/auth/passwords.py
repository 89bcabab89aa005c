"""Password hashes with argon2id (RFC 9106), in threads and a few at a time, at the same cost for a name that does not exist.

The threads are their own and give way to everything else (`NICE`): who talks does not notice who logs in.
"""

import os
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar, TypeVarTuple, Unpack

import argon2
import trio

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

MIN_LENGTH = 8
"""Characters, after NIST SP 800-63B; length is the only rule that helps."""

NICE: Final = 10
"""On Linux, where each thread has a priority of its own: with hashes on all cores, the p99 of a conversation was 2.8 times
its value at rest without it."""


class PasswordHasher:
    """Hashes and checks passwords. Each takes 219 ms and 64 MiB by default, so `workers` bounds both; 0 hashes without a thread."""

    def __init__(self, time_cost: int, memory_kib: int, workers: int) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(workers, "password", _give_way) if workers else None
        self._limiter = trio.CapacityLimiter(max(workers, 1))
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """Return the hash to store.

        A cancel while waiting for a thread is immediate; a hash under way keeps its place to its end.
        """
        return await self._work(self._hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password belongs to the hash; None (no such user) takes as long and is False."""
        return (
            await self._work(self._check, self._nobody if stored is None else stored, password) and stored is not None
        )

    async def _work(self, function: Callable[[Unpack[Arguments]], T], *args: *Arguments) -> T:
        if self._threads is None:
            await trio.lowlevel.checkpoint()
            return function(*args)
        done, token = trio.Event(), trio.lowlevel.current_trio_token()
        await self._limiter.acquire_on_behalf_of(done)

        def end() -> None:  # not before, whoever left meanwhile: so no more hashes wait for a thread than there are
            self._limiter.release_on_behalf_of(done)
            done.set()

        def tell(_: object) -> None:
            with suppress(trio.RunFinishedError):  # abandoned, and the run is over
                token.run_sync_soon(end)

        future = self._threads.submit(function, *args)
        future.add_done_callback(tell)
        await done.wait()
        return future.result()

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


def _give_way() -> None:
    """Lower the priority of this thread, where a thread has one; lowering needs no right."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
