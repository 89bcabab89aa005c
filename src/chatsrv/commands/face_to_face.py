"""Face to face: waiting under a code, and entering the group through its channel, where the first makes it."""

from chatsrv.commands.context import Deferred, Request
from chatsrv.commands.registry import handles
from chatsrv.config import Config
from chatsrv.face_to_face.waiting_room import WaitingRoom
from chatsrv.groups.wire_governing import entered_of
from chatsrv_protocol import face_to_face as wire
from chatsrv_protocol.common import Done
from chatsrv_protocol.governing import Entered
from chatsrv_protocol.limits import MAX_TITLE
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.groups import face_to_face
from chatsrv_storage.idempotency import earlier_result
from chatsrv_storage.replies import GroupEntry


@handles
async def enter_code(request: Request, command: wire.EnterCode, *, waiting_room: WaitingRoom) -> Deferred[wire.InLobby]:
    """Wait under a code, here."""
    caller = request.caller
    lobby = await waiting_room.enter(caller.actor.user_id, caller.peer, command.code, command.position)
    return request.answer_before(*waiting_room.page(lobby, caller.actor.user_id))


@handles
async def show_lobby(request: Request, command: wire.ShowLobby, *, waiting_room: WaitingRoom) -> Deferred[wire.InLobby]:
    """Return the participants of the caller's lobby."""
    del command
    user_id = request.caller.actor.user_id
    return request.answer_before(*waiting_room.page(waiting_room.require(user_id), user_id))


@handles
async def leave_lobby(request: Request, command: wire.LeaveLobby, *, waiting_room: WaitingRoom) -> Done:
    """Wait no longer."""
    del command
    waiting_room.leave(request.caller.actor.user_id)
    return Done()


@handles
async def enter_group(
    request: Request, command: wire.EnterGroup, *, waiting_room: WaitingRoom, ids: Snowflake, config: Config
) -> Entered:
    """Enter the group of the caller's lobby: the channel of its id creates it for the first, and adds the others."""
    user_id = request.caller.actor.user_id
    once, now_ms = request.once(command), request.now_ms
    # First of all: a retry must not enter the group of the lobby that one waits in since.
    earlier = await request.read(lambda conn: earlier_result(conn, once, now_ms, GroupEntry))
    if earlier is not None:
        return entered_of(earlier)
    lobby = waiting_room.require(user_id)
    code = waiting_room.code_of(lobby, ids.next(request.now_ms))
    name = _title([guest.name for guest in lobby.guests.values()])
    script = face_to_face.join_by_code(code, name, config.max_group_members)
    entered = entered_of(await request.change(code.group_id, command, script))
    waiting_room.entered(lobby, user_id)
    return entered


def _title(names: list[str]) -> str:
    """Return the name of a new group: the names of those who wait, as many as fit."""
    title = names[0]
    for name in names[1:]:
        if len(title) + len(name) + 2 > MAX_TITLE - 3:
            return f"{title}, …"
        title = f"{title}, {name}"
    return title
