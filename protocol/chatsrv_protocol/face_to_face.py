"""Face to face: people in one place enter the same four digits, see each other wait, and enter a group together.

A code is a meeting point, not a secret. A lobby belongs to a code and a place: with positions to everybody within 50 m of
its founder (the nearest lobby, if several); without, to the same network address, where the server allows that.
It lasts exactly as long as `InLobby.expires_at` says, however many come. Who is not admitted by the place gets a lobby
of their own under the same code, and cannot tell whether there is another. Positions can be faked.
"""

from typing import Final

from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    CLIENT_ID,
    CODE,
    FLAG,
    GROUP_ID_OR_0,
    LABEL,
    LATITUDE,
    LONGITUDE,
    MEDIA_ID_OR_0,
    NAME,
    TIME,
    USER_ID,
    ListOf,
    Optional,
    String,
    Struct,
    field,
)
from chatsrv_protocol.governing import Entered
from chatsrv_protocol.registry import command, event, reply, struct

LOBBY_CODE: Final = String(4, 4, plain=True)
"""Four ASCII digits; the server looks at them."""

MAX_SHOWN: Final = 100
"""People in one frame: with the longest names and nicknames there are, 100 fit; others follow in further frames."""


@struct
class Position:
    """Where a device is, in millionths of a degree (WGS 84; 11 cm): north and east are positive."""

    lat: int = field(LATITUDE)
    lon: int = field(LONGITUDE)


@struct
class Waiting:
    """Somebody on the waiting page; `entered`: they are in the group already. `avatar` is a medium's id, or 0."""

    user_id: int = field(USER_ID)
    name: str = field(NAME)
    nickname: str = field(LABEL)
    avatar: int = field(MEDIA_ID_OR_0)
    entered: bool = field(FLAG)


@reply(0x0940)
class InLobby:
    """I wait under this code until `expires_at`, together with these people; I am among them.

    Where they are more than one frame holds, a LobbyChanged brings the others.
    """

    code: str = field(LOBBY_CODE)
    expires_at: int = field(TIME)
    people: tuple[Waiting, ...] = field(ListOf(Struct(Waiting), MAX_SHOWN))


@command(0x0901, reply=InLobby, errors=(ErrorCode.POSITION_NEEDED, ErrorCode.GROUP_FULL))
class EnterCode:
    """Wait under four digits, here. Whoever waited under another code leaves it; the same again changes nothing.

    A user has five attempts in three minutes, and their address a share of the server's: then `rate_limited`.
    """

    code: str = field(LOBBY_CODE)
    position: Position | None = field(Optional(Struct(Position)), default=None)


@command(0x0902, reply=InLobby, errors=(ErrorCode.LOBBY_OVER,))
class ShowLobby:
    """Who waits with me? For another device of mine, and after a lost connection."""


@command(0x0903, reply=Done)
class LeaveLobby:
    """Wait no longer."""


@command(
    0x0904,
    reply=Entered,
    errors=(
        ErrorCode.LOBBY_OVER,
        ErrorCode.GROUP_FULL,
        ErrorCode.BANNED,
        ErrorCode.TOO_MANY,
        ErrorCode.SLOW_MODE,
    ),
)
class EnterGroup:
    """Enter the group of the lobby I wait in. The first to do so makes it, and is its owner; the answer is the same.

    Who left it comes back a minute later at the earliest.
    """

    client_id: bytes = field(CLIENT_ID)


@event(0x09C0)
class LobbyChanged:
    """On the waiting page these came, or changed (by user id); those went (personal, to all who wait)."""

    code: str = field(LOBBY_CODE)
    came: tuple[Waiting, ...] = field(ListOf(Struct(Waiting), MAX_SHOWN))
    went: tuple[int, ...] = field(ListOf(USER_ID))


@event(0x09C1)
class LobbyClosed:
    """I wait no longer: the time is over, I entered `group_id` or left, or I went elsewhere (personal).

    `reason`: entered, left, moved, gone, or an ErrorCode: lobby_over, server_busy.
    """

    code: str = field(LOBBY_CODE)
    reason: str = field(CODE)
    group_id: int = field(GROUP_ID_OR_0, default=0)
