"""The client: open it, log in, call its methods, read its events.

async with chatsrv.open_client("tcp://127.0.0.1:7000") as client:
    await client.login("ann", "a long password")
    async for event in client.events():
        if isinstance(event, Message):
            await client.group(event.group_id).send(f"you said: {event.text}")
"""

import math
import os
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import trio

from chatsrv.client.client_ids import ClientIds, ServerClock
from chatsrv.client.commands.account import AccountCommands
from chatsrv.client.commands.all_messages import AllMessages
from chatsrv.client.commands.face_to_face import FaceToFaceCommands
from chatsrv.client.commands.group import GroupHandle
from chatsrv.client.commands.groups import GroupCommands
from chatsrv.client.commands.media import MediaCommands
from chatsrv.client.commands.operator import OperatorCommands
from chatsrv.client.commands.people import PeopleCommands
from chatsrv.client.commands.presence import PresenceCommands
from chatsrv.client.commands.redpack import RedpackCommands
from chatsrv.client.commands.session import SessionCommands
from chatsrv.client.commands.wallet import WalletCommands
from chatsrv.client.connection.backoff import Backoff
from chatsrv.client.connection.dial import Dial, Dialer, Trust, make_dial
from chatsrv.client.connection.pending_request import CommandReply
from chatsrv.client.connection.session import ClientSession, Settings
from chatsrv.client.errors import ClientError, NotLoggedIn, ProtocolViolation, RequestRefused, Unreachable
from chatsrv.client.events import Event
from chatsrv.client.following.buffer import Buffer
from chatsrv.client.following.follow import Start
from chatsrv.client.transfers.http_access import HttpAccess
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.common import Ping
from chatsrv_protocol.session import Welcome

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for one try: name, TCP, TLS, WebSocket, Hello and Resume together."""

BUFFER: Final = 1024
"""Events that wait for a slow consumer; what exceeds them is fetched again later."""


class Client(SessionCommands):
    """An open client. `open_client` makes it and closes it; its methods may be called by many tasks.

    Its subjects are attributes: `account`, `groups`, `messages`, `people`, `presence`, `media`, `redpack`, `wallet`,
    `face_to_face`, `operator`; and `group(id)` is one group.

    Every method that talks to the server waits over lost connections for as long as the caller does: bound it with
    `trio.fail_after`. They raise RequestRefused, SessionEnded, NotLoggedIn, Unreachable (after `give_up_after`),
    ProtocolViolation and ClientClosed, all of them ClientError. A cancel leaves open whether a change takes effect.
    """

    def __init__(self, keeper: ClientSession, ids: ClientIds, trust: Trust) -> None:
        super().__init__(keeper)
        self._ids = ids
        self._trust = trust
        self.account: Final = AccountCommands(self)
        self.groups: Final = GroupCommands(self)
        self.messages: Final = AllMessages(self)
        self.people: Final = PeopleCommands(self)
        self.presence: Final = PresenceCommands(self)
        self.media: Final = MediaCommands(self)
        self.redpack: Final = RedpackCommands(self)
        self.wallet: Final = WalletCommands(self)
        self.face_to_face: Final = FaceToFaceCommands(self)
        self.operator: Final = OperatorCommands(self)

    def group(self, group_id: int) -> GroupHandle:
        """Return the commands about one group of the user, by its id. Sends nothing."""
        return GroupHandle(self, group_id)

    @property
    def welcome(self) -> Welcome | None:
        """What the server told about itself on the present connection; None while there is none."""
        return None if self._keeper.link is None else self._keeper.link.welcome

    @property
    def connected(self) -> bool:
        """Whether there is a connection with a session now."""
        link = self._keeper.link
        return link is not None and link.alive and link.logged_in.is_set()

    async def http_access(self) -> HttpAccess:
        """Return the address and credentials of the server's HTTP side. Raises RequestRefused (media_off) where it has none."""
        if self._keeper.token is None:
            raise NotLoggedIn
        while (welcome := self.welcome) is None:
            await self.request(Ping())
        base = welcome.http or (self._trust.own_port if welcome.page else "")
        if not base:
            raise RequestRefused(ErrorCode.MEDIA_OFF, "this server takes no media: it has no HTTP address")
        scheme, _, place = base.partition("://")
        if place.startswith(":"):
            place = self._trust.host + place
        tls = self._trust.context() if scheme == "https" else None
        return HttpAccess(f"{scheme}://{place}", self._keeper.token, tls, self._trust.elsewhere)

    def server_time(self) -> int:
        """Return the time of the server's clock in milliseconds since 1970, as far as known here."""
        return self._keeper.clock.now_ms()

    def new_client_id(self) -> bytes:
        """Return a UUIDv7 on the server's clock, 16 bytes, which makes a change idempotent."""
        return self._ids.new()

    async def request(self, command: object, reply: type[Any] = object) -> Any:
        """Send any command of the protocol after login and return its reply, of the type named.

        It is sent again on the next connection if its answer is lost, so a change must carry a client id (see `change`) or
        set a state. Refusals for load are waited out within bounds. Raises RequestRefused, and what the class names. A cancel
        leaves open whether it takes effect.
        """
        answer = await self.exchange(command)
        if not isinstance(answer.reply, reply):
            raise ProtocolViolation(f"the reply is {type(answer.reply).__name__}, not {reply.__name__}")
        return answer.reply

    async def exchange(self, command: object, *, repeatable: bool = True) -> CommandReply:
        """Send a command as `request` does and return its reply with the events that came before it.

        Where not `repeatable` it is sent once, and OutcomeUnknown is raised when its answer is lost.
        """
        return await self._keeper.members.exchange(command, repeatable=repeatable)

    def events(self, *, after: Mapping[int, int] | None = None, from_start: bool = False) -> "Events":
        """Iterate over every event of every group of the user, once and in the order of its sequence, and over personal events.

        Yields the protocol's events (with `UnknownEvent` for those of newer servers), `Added` and `Removed` once for each change
        of the user's groups, and `Connected`, `Disconnected`, `Reconnecting` and `Restored`. It begins with what came since the
        login; `after` {group id: sequence number} and `from_start` (everything visible) begin elsewhere, and may be given to
        `open_client` too. Iterating again goes on where the last iteration stopped.

        One task may iterate at a time, and may call the client's methods meanwhile. The connection never waits for it: what
        exceeds the buffer is fetched later; of personal events the latest of a kind is kept. Ends after a logout and when the
        client closes; raises SessionEnded or Unreachable when it is over otherwise. A cancel loses no event.
        """
        if after or from_start:
            start = Start(dict(after or {}), from_start=from_start)
            if self._keeper.follower is None:
                raise ClientError("log in first: there is nobody's events to begin with")
            self._keeper.follower.rewind(start)
        return Events(self._keeper.buffer)

    def position(self, group_id: int) -> int | None:
        """Return the last sequence number taken in for `events()` in this group; None if it is not followed.

        The consumer may not have got that far: give the `seq` of the last event handled as `after` next time.
        """
        return None if self._keeper.follower is None else self._keeper.follower.position(group_id)


class Events(AsyncIterator[Event]):
    """The iterator that `Client.events` returns."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> Event:
        """Wait for the next event. A cancel loses none. Raises trio.BusyResourceError while another task waits here."""
        return await self._buffer.take()


def open_client(
    server: str | Dialer,
    *,
    token: bytes | None = None,
    agent: str = "chatsrv-python",
    tls: ssl.SSLContext | None = None,
    ca_file: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    after: Mapping[int, int] | None = None,
    from_start: bool = False,
    follow: bool = True,
    buffer: int = BUFFER,
    connect_timeout: float = CONNECT_TIMEOUT,
    give_up_after: float = math.inf,
    monotonic: Callable[[], float] | None = None,
    random_bytes: Callable[[int], bytes] = os.urandom,
    fraction: Callable[[], float] = random.random,
) -> AbstractAsyncContextManager[Client]:
    """Open a client, which is connected while the block runs.

    `server` is a URL (tcp://, tls://, ws://, wss://) or a function that makes a new stream of frames' bytes, which the
    client then owns. `token` resumes a session. For TLS: `tls`, or `ca_file`, or `insecure` (trusts any certificate).
    `after` and `from_start` say where `events()` begins (see there); `follow=False` keeps no events of groups at all, and
    saves a request. `buffer` is how many events wait for the consumer (400 or more). `connect_timeout` (s) bounds each try to
    connect, `give_up_after` (s) the time without a connection. The clock (s) and randomness may be injected for tests.

    Entering raises BadUrl, Unreachable, ProtocolViolation, SessionEnded (the token is void) and RequestRefused (the server
    speaks other versions). Leaving ends the connection within about a second, and raises ClientClosed in everything that
    still waits; the session goes on. What the block raises leaves it as it is, in no exception group.
    """
    dial = make_dial(server, tls=tls, ca_file=ca_file, insecure=insecure)
    trust = Trust.of(server, tls=tls, ca_file=ca_file, insecure=insecure)
    settings = Settings(
        agent=agent,
        connect_timeout=connect_timeout,
        give_up_after=give_up_after,
        buffer=buffer,
        follow=follow,
        start=Start(dict(after or {}), from_start=from_start),
    )
    return _open_client(dial, settings, trust, token, monotonic, random_bytes, fraction)


@asynccontextmanager
async def _open_client(
    dial: Dial,
    settings: Settings,
    trust: Trust,
    token: bytes | None,
    monotonic: Callable[[], float] | None,
    random_bytes: Callable[[int], bytes],
    fraction: Callable[[], float],
) -> AsyncGenerator[Client]:
    clock = ServerClock(monotonic or trio.current_time)
    keeper = ClientSession(dial, settings, clock, Backoff(fraction), fraction)
    keeper.token = token
    raised: BaseException | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        await keeper.opened.wait()
        raised = keeper.failure
        if raised is None:
            with trio.move_on_after(settings.connect_timeout) as listing:
                if keeper.follower is not None:
                    await keeper.follower.listed.wait()
            if listing.cancelled_caught:
                raised = Unreachable(f"the server did not list the groups within {settings.connect_timeout:g} seconds")
        if raised is None:
            try:
                yield Client(keeper, ClientIds(clock, random_bytes), trust)
            except trio.Cancelled:
                raise
            except BaseExceptionGroup as group:
                if group.subgroup(trio.Cancelled) is not None:
                    raise  # a cancel has to pass through the scopes it belongs to
                raised = group
            except BaseException as error:  # noqa: BLE001 - raised again below, outside of the nursery's group
                raised = error
            finally:
                await keeper.close()
        nursery.cancel_scope.cancel()
    if raised is not None:
        raise raised
