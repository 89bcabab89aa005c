"""People with a program beside those in browsers, each in a thread of its own."""

from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar, cast

import trio

from chatsrv.client import Client, open_client

T = TypeVar("T")
PASSWORD = "correct horse battery staple"
WAIT_MS = 30_000
"""How long a test waits for what must come: no measure of anything, since machines are loaded."""


def logged_in(name: str, act: Callable[[Client], Awaitable[T]]) -> Callable[[Client], Awaitable[T]]:
    """What somebody does, with their login before it."""

    async def run(client: Client) -> T:
        await client.login(name, PASSWORD)
        return await act(client)

    return run


class Program(Generic[T]):
    """Somebody with a program, in a thread of its own: the test's thread belongs to the browsers."""

    def __init__(self, tcp: str, act: Callable[[Client], Awaitable[T]]) -> None:
        self._tcp, self._act = tcp, act
        self._scope = trio.CancelScope()
        self._token: Future[trio.lowlevel.TrioToken] = Future()
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(trio.run, self._run)

    async def _run(self) -> T | None:
        self._token.set_result(trio.lowlevel.current_trio_token())
        with self._scope:
            async with open_client(self._tcp, follow=False) as client:
                return await self._act(client)
        return None

    def result(self) -> T:
        """Wait for its end; what it raises comes out here."""
        try:
            return cast("T", self._future.result(WAIT_MS / 1000))
        finally:
            self.cancel()

    def cancel(self) -> None:
        """End it; raises what it raised."""
        with suppress(trio.RunFinishedError):
            self._token.result(WAIT_MS / 1000).run_sync_soon(self._scope.cancel)
        self._pool.shutdown()
        self._future.result(0)
