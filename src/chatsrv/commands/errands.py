"""Commands about face-to-face codes, where several nodes serve one community: one of them knows who waits under which code."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Final

import attrs

from chatsrv.bus import Subscriber
from chatsrv.cluster import Cluster
from chatsrv.cluster.errands import Errand
from chatsrv.commands.context import Deferred, Request, Services
from chatsrv.commands.registry import Handler
from chatsrv.commands.table import HANDLERS
from chatsrv_protocol import ErrorCode, encode, limits
from chatsrv_protocol.codec import decode
from chatsrv_protocol.face_to_face import EnterCode, EnterGroup, LeaveLobby, ShowLobby
from chatsrv_protocol.framing import FrameSplitter
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import Actor

LOBBY_COMMANDS: Final = frozenset({EnterCode, ShowLobby, LeaveLobby, EnterGroup})


def bind_handlers(services: Services) -> Mapping[type[object], Handler]:
    """Return what answers each command on this server. With other nodes, those about lobbies are run where these are."""
    handlers = {command: handler.bind(services) for command, handler in HANDLERS.items()}
    if services.cluster is not None:
        for command in LOBBY_COMMANDS:
            handlers[command] = partial(_run_where_lobbies_are, services.cluster, handlers[command])
    return handlers


async def _run_where_lobbies_are(cluster: Cluster, run_here: Handler, request: Request, command: object) -> object:
    """Run a command about lobbies on the node that has them. Raises Refusal."""
    node = cluster.lobby_node()
    if node is None:
        return await run_here(request, command)
    caller = request.caller
    errand = Errand(caller.actor.user_id, caller.actor.name, caller.session_id, caller.peer, request.body)
    reply, *events = _messages(await cluster.errands.send(node, errand))
    return request.answer_before(reply, events)


def errand_runner(services: Services) -> Callable[[Errand], Awaitable[list[bytes]]]:
    """Return what runs the errands of other nodes on this one, and nothing else that may come over the bus.

    It returns encoded messages, the reply first.
    """

    handlers = {command: HANDLERS[command].bind(services) for command in LOBBY_COMMANDS}

    async def run(errand: Errand) -> list[bytes]:
        command = decode(errand.body).message
        if type(command) not in LOBBY_COMMANDS:
            raise Refusal(ErrorCode.FORBIDDEN, "only commands about face-to-face codes are run for another node")
        caller = _Elsewhere(Actor(errand.user_id, errand.user), errand.session_id, errand.peer)
        reply = await handlers[type(command)](Request(services, caller, 0, errand.body), command)
        if not isinstance(reply, Deferred):
            caller.answer(0, reply)
        return caller.frames

    return run


def _messages(frames: Iterable[bytes]) -> list[object]:
    splitter = FrameSplitter(limits.MAX_FRAME)
    splitter.feed(b"".join(frames))
    found: list[object] = []
    while (body := splitter.next_body()) is not None:
        found.append(decode(body).message)
    return found


@attrs.define
class _Elsewhere:
    """A Caller who is connected to another node."""

    actor: Actor
    session_id: int
    peer: str
    frames: list[bytes] = attrs.field(factory=list[bytes])
    may_send_secrets: bool = False
    page: str = ""
    cookie_token: bytes = b""
    may_register: bool = False

    @property
    def subscriber(self) -> Subscriber:
        raise NotImplementedError("the connection is another node's")

    async def log_in(self, actor: Actor, session_id: int) -> int:
        raise NotImplementedError("whoever comes here is logged in on another node")

    def answer(self, request_id: int, message: object) -> None:
        del request_id
        if isinstance(message, Refusal):
            raise message
        self.frames.append(encode(message))

    def answer_encoded(self, request_id: int, frame: bytes) -> None:
        del request_id
        self.frames.append(frame)

    def stream(self, frames: bytes) -> None:
        self.frames.append(frames)
