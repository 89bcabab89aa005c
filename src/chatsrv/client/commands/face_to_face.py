"""Face to face: waiting under four digits with those who stand near, and entering a group with them.

`events()` brings LobbyChanged and LobbyClosed. Of notices a slow consumer gets the latest alone, and after a lost
connection those in between are missing, so take a LobbyChanged for a hint and ask `show_lobby`.
"""

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.common import Done
from chatsrv_protocol.face_to_face import EnterCode, EnterGroup, InLobby, LeaveLobby, Position, ShowLobby
from chatsrv_protocol.governing import Entered


class FaceToFaceCommands(Subject):
    """Face-to-face groups."""

    async def enter_code(self, code: str, position: tuple[float, float] | None = None) -> InLobby:
        """Wait under four digits. `position` is latitude and longitude in degrees; without it the network decides.

        Raises RequestRefused: position_needed, rate_limited (five attempts in three minutes), group_full.
        """
        where = (
            None if position is None else self._client.build(Position, *(round(each * 1_000_000) for each in position))
        )
        return await self._client.request(self._client.build(EnterCode, code, where), InLobby)

    async def show_lobby(self) -> InLobby:
        """Who waits with me now. Raises RequestRefused: lobby_over."""
        return await self._client.request(ShowLobby(), InLobby)

    async def leave_lobby(self) -> None:
        """Wait no longer."""
        await self._client.request(LeaveLobby(), Done)

    async def enter_group(self) -> Entered:
        """Enter the group of the lobby; who comes first makes it. Raises RequestRefused: lobby_over, group_full, banned."""
        return await self._client.request(self._client.change(EnterGroup), Entered)
