"""A server and connections to it without sockets: for tests of programs that embed chatsrv or speak its protocol.

    async def test_hello(autojump_clock):
        async with chatsrv.testing.open_test_server() as server, chatsrv.open_client(server.dial) as client:
            await client.register("ann", "a long password")

Everything runs in one Trio run on memory streams; with Trio's `MockClock(autojump_threshold=0)` (pytest-trio's
`autojump_clock`) time is virtual. Nothing uses a thread: jobs run inline, and so do password hashes.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import attrs
import trio

from chatsrv.app import Server, open_server
from chatsrv.clock import SeededRandomness, VirtualClock
from chatsrv.commands.hooks import Hooks
from chatsrv.config import Config
from chatsrv.log import Log
from chatsrv.push import PushAnswer
from chatsrv.push.services import Endpoint
from chatsrv.transport.memory import WINDOW, MemoryTransport, memory_pair
from chatsrv_storage.interface import open_memory_storage, open_storage

QUICK = Config(
    password_time=1,
    password_memory=8,
    password_workers=0,
    open_registration=True,
    messages_per_second=0,
    changes_per_second=0,
    hints_per_second=0,
    searches_per_second=0,
    lookups_per_second=0,
    bytes_per_second=0,
    bytes_per_day=0,
    address_per_second=0,
)
"""Settings for tests: a password hash takes well under a millisecond, and protects nothing; nobody is too fast."""


@attrs.define
class PostedPushes:
    """A way to push services that goes nowhere: it keeps what is posted, and answers what `answers` says, else 201."""

    posts: list[tuple[Endpoint, Mapping[str, str], bytes]] = attrs.field(factory=list)
    answers: dict[str, PushAnswer] = attrs.field(factory=dict[str, PushAnswer])
    """By the endpoint's URL."""

    async def post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, /) -> PushAnswer:
        """See PushGateway."""
        await trio.lowlevel.checkpoint()
        self.posts.append((endpoint, headers, body))
        return self.answers.get(endpoint.url, PushAnswer(201))


@attrs.frozen(slots=True)
class TestServer:
    """A running server without listeners, and the clock it lives by."""

    __test__ = False

    server: Server
    clock: VirtualClock
    window: int
    pushes: PostedPushes = attrs.field(factory=PostedPushes)

    async def dial(self) -> trio.abc.Stream:
        """Return a new connection: the client's end of a memory stream. Hand this method itself to `open_client`."""
        ours, theirs = memory_pair(self.window)
        self.server.connect(MemoryTransport(theirs))
        await trio.lowlevel.checkpoint()
        return ours


@asynccontextmanager
async def open_test_server(
    config: Config = QUICK,
    *,
    hooks: Hooks | None = None,
    seed: int = 0,
    clock: VirtualClock | None = None,
    window: int = WINDOW,
    log: Log | None = None,
) -> AsyncGenerator[TestServer]:
    """Open a server whose wall clock follows Trio's, whose randomness follows from `seed`, and whose jobs run inline.

    With `config.data` set it keeps its data there, so that a test can stop it and start it again. `window` is how many unread
    bytes each direction of a connection holds. Raises what `open_server` raises.
    """
    clock = clock or VirtualClock()
    storage = open_memory_storage(inline=True) if config.data is None else open_storage(config.data, inline=True)
    randomness = SeededRandomness(seed)
    pushes = PostedPushes()
    async with open_server(
        config, hooks=hooks, clock=clock, randomness=randomness, storage=storage, log=log, push_gateway=pushes
    ) as server:
        yield TestServer(server, clock, window, pushes)
