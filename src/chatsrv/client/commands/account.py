"""The account of the user: its password and its sessions."""

from chatsrv.client.commands.base import Subject
from chatsrv.client.commands.session import SessionCommands
from chatsrv.client.errors import RequestRefused, is_code
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.common import Done
from chatsrv_protocol.session import ChangePassword, EndSession, ListSessions, Session, Sessions


class AccountCommands(Subject):
    """The account of the user."""

    def __init__(self, client: SessionCommands) -> None:
        super().__init__(client)
        self._session = client

    async def change_password(self, old: str, new: str) -> None:
        """Set a new password; all other sessions of this user end. This one goes on."""
        try:
            await self._client.request(self._client.build(ChangePassword, old, new), Done)
        except RequestRefused as refusal:
            if not (refusal.repeated and is_code(refusal.code, ErrorCode.BAD_CREDENTIALS)):
                raise
            # The first try may have taken effect, its answer lost: then the new password is the old one now.
            await self._client.request(ChangePassword(new, new), Done)

    async def sessions(self) -> tuple[Session, ...]:
        """My devices, oldest first."""
        return (await self._client.request(ListSessions(), Sessions)).sessions

    async def end_session(self, session_id: int) -> None:
        """End one of my sessions by its id; for this client's own it is `logout`."""
        me = self._session.me
        if me is not None and me.session_id == session_id:
            await self._session.logout()
        else:
            await self._client.request(self._client.build(EndSession, session_id), Done)
