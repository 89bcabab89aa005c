"""Face to face: waiting under a code, and entering the group through its channel, where the first makes it."""

from typing import Any

from chatsrv.commands.context import Request
from chatsrv_protocol import encode
from chatsrv_protocol import face_to_face as wire
from chatsrv_protocol.common import Done
from chatsrv_protocol.governing import Entered
from chatsrv_protocol.limits import MAX_TITLE
from chatsrv_storage.groups import face_to_face
from chatsrv_storage.idempotency import earlier_result


async def enter_code(request: Request, command: wire.EnterCode) -> None:
    """Wait under a code, here."""
    caller = request.caller
    lobby = await request.services.waiting_room.enter(caller.actor.user_id, caller.peer, command.code, command.position)
    _show(request, lobby)


async def show_lobby(request: Request, command: wire.ShowLobby) -> None:
    """The page of the lobby I wait in."""
    del command
    _show(request, request.services.waiting_room.require(request.caller.actor.user_id))


def _show(request: Request, lobby: Any) -> None:
    """Answer at once, so that what follows on the page comes after it."""
    page, rest = request.services.waiting_room.page(lobby, request.caller.actor.user_id)
    request.caller.answer(request.request_id, page)
    for event in rest:
        request.caller.stream(encode(event))


async def leave_lobby(request: Request, command: wire.LeaveLobby) -> Done:
    """Wait no longer."""
    del command
    request.services.waiting_room.leave(request.caller.actor.user_id)
    return Done()


async def enter_group(request: Request, command: wire.EnterGroup) -> Entered:
    """Into the group of my lobby: the channel of its id makes it for the first who comes, and lets the others in."""
    services, user_id = request.services, request.caller.actor.user_id
    room = services.waiting_room
    once, now_ms = request.once(command), request.now_ms
    # First of all: a retry must not enter the group of the lobby that one waits in since.
    earlier = await request.read(lambda conn: earlier_result(conn, once, now_ms))
    if earlier is not None:
        return Entered(*earlier)
    lobby = room.require(user_id)
    code = room.code_of(lobby, services.ids.next(request.now_ms))
    name = _title([guest.name for guest in lobby.guests.values()])
    script = face_to_face.join_by_code(code, name, services.config.max_group_members)
    entered = Entered(*await request.change(code.group_id, command, script))
    room.entered(lobby, user_id)
    return entered


def _title(names: list[str]) -> str:
    """The name of a new group: those who wait, as many as fit."""
    title = names[0]
    for name in names[1:]:
        if len(title) + len(name) + 2 > MAX_TITLE - 3:
            return f"{title}, …"
        title = f"{title}, {name}"
    return title


HANDLERS: dict[type[Any], Any] = {
    wire.EnterCode: enter_code,
    wire.ShowLobby: show_lobby,
    wire.LeaveLobby: leave_lobby,
    wire.EnterGroup: enter_group,
}
