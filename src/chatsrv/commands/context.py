"""What a handler works with: the services of the server, and the caller of the command."""

import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

import attrs
import trio

from chatsrv.auth.login_limits import LoginLimits
from chatsrv.auth.passwords import PasswordHasher
from chatsrv.auth.rates import Rates, source_of
from chatsrv.auth.shared_attempts import SharedAttempts
from chatsrv.auth.throttle import Throttle
from chatsrv.bus import LocalBus, Subscriber
from chatsrv.clock import Clock, Randomness
from chatsrv.cluster import Cluster
from chatsrv.commands.hooks import Hooks
from chatsrv.config import Config
from chatsrv.face_to_face.waiting_room import WaitingRoom
from chatsrv.groups import Channels
from chatsrv.groups.deliveries import Deliveries
from chatsrv.groups.missed_events import MissedEvents
from chatsrv.log import Log
from chatsrv.media.library import Library
from chatsrv.presence.typing_notices import TypingNotices
from chatsrv.presence.visibility import Visibility
from chatsrv.presence.watches import PresenceWatches
from chatsrv.push import PushNotifier
from chatsrv_protocol import ErrorCode, encode, limits
from chatsrv_protocol.codec import without_request_id
from chatsrv_protocol.media import SendMedia
from chatsrv_protocol.messages import Send, SendExtra
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import Command, Outcome, Script
from chatsrv_storage.idempotency import Once
from chatsrv_storage.interface import Job, Storage
from chatsrv_storage.replies import Reply

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S", bound=Reply)


@attrs.frozen(slots=True)
class Services:
    """Everything the handlers share, made by the composition root."""

    config: Config
    storage: Storage
    bus: LocalBus
    channels: Channels
    deliveries: Deliveries
    passwords: PasswordHasher
    logins: LoginLimits
    registrations: Throttle
    shared_attempts: SharedAttempts
    rates: Rates
    visibility: Visibility
    watches: PresenceWatches
    typing_notices: TypingNotices
    waiting_room: WaitingRoom
    clock: Clock
    randomness: Randomness
    ids: Snowflake
    hooks: Hooks
    log: Log
    stopping: trio.Event
    searching: set[int] = attrs.field(factory=set[int])
    """Users whose search is under way."""
    missed_events: MissedEvents = attrs.field(factory=MissedEvents)
    cluster: Cluster | None = None
    """The other nodes; None where there is one."""
    library: Library | None = None
    """Media; None where there is no HTTP address to bring them to."""
    push: PushNotifier | None = None
    """Notifications for devices that are not connected; None where the setting `push` is off."""

    def is_full(self) -> bool:
        """Whether changes are refused since the disk is full: the server is read-only until there is room."""
        return self.storage.is_full or self.ids.is_held

    def is_deaf(self) -> bool:
        """Whether this node hears nothing of the others: what they say comes late."""
        return self.cluster is not None and self.cluster.is_deaf


class Caller(Protocol):
    """The connection a command came from."""

    actor: Actor
    session_id: int

    @property
    def peer(self) -> str:
        """The peer's address."""
        ...

    @property
    def subscriber(self) -> Subscriber:
        """The same connection, as the bus knows it."""
        ...

    @property
    def may_send_secrets(self) -> bool:
        """Nobody between can read them, or the operator allows it."""
        ...

    @property
    def page(self) -> str:
        """The digest of the web page that is served on the port it came by; empty where none is."""
        ...

    @property
    def cookie_token(self) -> bytes:
        """The session's token that came as a cookie with the handshake; empty where none did."""
        ...

    @property
    def may_register(self) -> bool:
        """Registration is open for whoever comes in this way."""
        ...

    async def log_in(self, actor: Actor, session_id: int) -> int:
        """Make the connection this user's, so that it hears the user's groups; return the user's version."""
        ...

    def answer(self, request_id: int, message: object) -> None:
        """Send the reply; the request is answered."""
        ...

    def answer_encoded(self, request_id: int, frame: bytes) -> None:
        """Send the reply, encoded already and no Refusal; the request is answered."""
        ...

    def stream(self, frames: bytes) -> None:
        """Send encoded events of an answer that a reply will close."""
        ...


class Mutation(Protocol):
    """A command that has one effect, however often it comes with the same client id."""

    @property
    def client_id(self) -> bytes:
        """A UUIDv7 on the server's clock."""
        ...


class Deferred(Generic[R]):
    """The result of a handler whose reply, an R, is sent in another way: before it returns, or by a group's channel."""

    __slots__ = ()


class DeferredReply(Deferred[R], Generic[S, R]):
    """Answers a request when the outcome of its command is known: the channel calls it after the commit.

    It keeps no more of the request than it needs: the bytes of commands under way are bounded (docs/limits.md).
    """

    __slots__ = ("_caller", "_command", "_encoder", "_request_id", "_stored", "log")

    def __init__(
        self, request: "Request", command: object, stored: type[S], encoder: Callable[[int, S], bytes]
    ) -> None:
        """Answer `request` with the frame that `encoder` makes of its id and the outcome's reply, which is a `stored`."""
        self._caller = request.caller
        self._request_id = request.request_id
        self.log = request.services.log
        self._command = type(command).__name__
        self._stored = stored
        self._encoder = encoder

    def __call__(self, outcome: Outcome) -> None:
        """Answer with the reply made of the outcome's, or with the refusal."""
        caller, request_id = self._caller, self._request_id
        try:
            if isinstance(outcome, Refusal):
                caller.answer(request_id, outcome)
                return
            assert isinstance(outcome.reply, self._stored)
            caller.answer_encoded(request_id, self._encoder(request_id, outcome.reply))
        except Exception:
            self.log.exception("a reply cannot be made", command=self._command)
            caller.answer(request_id, server_fault())


@attrs.define(slots=True, eq=False)
class Request:
    """One command while its handler runs. Nobody changes it (frozen, it would take several times as long to make)."""

    services: Services
    caller: Caller
    request_id: int
    body: bytes
    """The frame's body as it came."""

    @property
    def now_ms(self) -> int:
        """The wall clock."""
        return self.services.clock.now_ms()

    @property
    def storage_caller(self) -> int | str:
        """For whom the storage reads: the user, or whoever comes from this address before the login."""
        return self.caller.actor.user_id or source_of(self.caller.peer)

    async def read(self, query: Job[T]) -> T:
        """Run Storage.read for the caller of this command. Raises Refusal and StorageFailed."""
        return await self.services.storage.read(query, self.storage_caller)

    async def look_up(self, query: Job[T]) -> T:
        """Run Storage.look_up for the caller of this command. Raises Refusal and StorageFailed."""
        return await self.services.storage.look_up(query, self.storage_caller)

    async def search(self, query: Job[T]) -> T:
        """Run Storage.search for the caller of this command. Raises Refusal and StorageFailed."""
        return await self.services.storage.search(query, self.storage_caller)

    def once(self, command: Mutation) -> Once:
        """Return the idempotency key of this mutation, under which it has one effect."""
        body = self.body
        if isinstance(command, (Send, SendMedia)) and command.extra == _NO_EXTRA:  # which says no more than none
            command = attrs.evolve(command, extra=None)
            body = encode(command)[limits.LENGTH_BYTES :]
        user_id = self.caller.actor.user_id
        return Once(user_id, command.client_id, payload_hash(body), partial(older_payload_hash, command))

    async def change(self, group_id: int, command: Mutation, script: Script[S]) -> S:
        """Run a script in the group's channel, once per client id; answers its reply. Raises Refusal."""
        change = Command(self.caller.actor, self.once(command), script)
        return await self.services.channels.run(group_id, change)

    def answer_before(self, reply: R, events: Iterable[object]) -> Deferred[R]:
        """Send the reply now, and then these events, which are told live from then on."""
        self.caller.answer(self.request_id, reply)
        for event in events:
            self.caller.stream(encode(event))
        return Deferred()

    def stream_events(self, events: Iterable[object]) -> None:
        """Send events as part of the answer, under the request's id, in pieces that a WebSocket message holds."""
        self.stream_frames(encode(event, self.request_id) for event in events)

    def stream_frames(self, encoded: Iterable[bytes]) -> None:
        """Send encoded events as `stream_events` does: each item is a frame, or several that a WebSocket message holds."""
        frames: list[bytes] = []
        size = 0
        for frame in encoded:
            if size + len(frame) > limits.MAX_WEBSOCKET_MESSAGE:
                self.caller.stream(b"".join(frames))
                frames, size = [], 0
            frames.append(frame)
            size += len(frame)
        if frames:
            self.caller.stream(b"".join(frames))


_NO_EXTRA: Final = SendExtra()


def server_fault() -> Refusal:
    """Return what a client is told of a bug of the server, which is in the log."""
    return Refusal(ErrorCode.INTERNAL, "the server made a mistake; it is in its log")


def payload_hash(body: bytes) -> bytes:
    """Return the hash of a command as it came, but for its request id: a retry sends the same bytes."""
    return hashlib.blake2b(without_request_id(body), digest_size=16).digest()


def older_payload_hash(command: object) -> bytes:
    """Return the hash that versions before 0.2.0 kept, over the server's own encoding. See Once.is_same_payload."""
    return hashlib.blake2b(encode(command), digest_size=16).digest()
