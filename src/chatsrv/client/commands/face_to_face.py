"""Face-to-face groups: people near each other enter the same four digits and then the same group.

`events()` delivers LobbyChanged and LobbyClosed. A slow consumer gets only the latest of these, and after a lost connection
those in between are missing: take a LobbyChanged as a hint and call `show_lobby`.
"""

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.common import Done
from chatsrv_protocol.face_to_face import EnterCode, EnterGroup, InLobby, LeaveLobby, Position, ShowLobby
from chatsrv_protocol.governing import Entered


class FaceToFaceCommands(Subject):
    """Commands about face-to-face groups."""

    async def enter_code(self, code: str, position: tuple[float, float] | None = None) -> InLobby:
        """Enter the lobby of four digits and return who is in it.

        `position` is (latitude, longitude) in degrees; without it the network address decides who is near. Raises
        RequestRefused: position_needed, group_full, rate_limited (after five attempts in three minutes).
        """
        where = (
            None if position is None else self._client.build(Position, *(round(each * 1_000_000) for each in position))
        )
        return await self._client.request(self._client.build(EnterCode, code, where), InLobby)

    async def show_lobby(self) -> InLobby:
        """Return who is in the lobby now.

        Raises RequestRefused: lobby_over.
        """
        return await self._client.request(ShowLobby(), InLobby)

    async def leave_lobby(self) -> None:
        """Leave the lobby."""
        await self._client.request(LeaveLobby(), Done)

    async def enter_group(self) -> Entered:
        """Enter the group of the lobby; the first member of the lobby to do so creates it.

        Raises RequestRefused: lobby_over, group_full, banned, too_many, slow_mode.
        """
        return await self._client.request(self._client.change(EnterGroup), Entered)
