"""The account of the user: its password and its sessions."""

from chatsrv.client.commands.base import Subject
from chatsrv.client.commands.session import SessionCommands
from chatsrv.client.errors import RequestRefused, is_code
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.common import Done
from chatsrv_protocol.push import PushShown, ShowPush, SubscribePush, UnsubscribePush
from chatsrv_protocol.session import ChangePassword, EndSession, ListSessions, Session, Sessions


class AccountCommands(Subject):
    """Commands about the user's own account."""

    def __init__(self, client: SessionCommands) -> None:
        super().__init__(client)
        self._session = client

    async def change_password(self, old: str, new: str) -> None:
        """Set a new password (1 to 256 characters) and end all other sessions of this user; this session goes on.

        Where the answer is lost, the next connection finds out whether the change took effect. Raises RequestRefused:
        bad_credentials, password_weak.
        """
        try:
            await self._client.request(self._client.build(ChangePassword, old, new), Done)
        except RequestRefused as refusal:
            if not (refusal.repeated and is_code(refusal.code, ErrorCode.BAD_CREDENTIALS)):
                raise
            # The first try may have taken effect, its answer lost: then the new password is the old one now.
            await self._client.request(ChangePassword(new, new), Done)

    async def sessions(self) -> tuple[Session, ...]:
        """Return the user's sessions, the oldest first."""
        return (await self._client.request(ListSessions(), Sessions)).sessions

    async def end_session(self, session_id: int) -> None:
        """End one of the user's sessions by its id; the client's own session ends as by `logout`.

        Raises RequestRefused: session_ended.
        """
        me = self._session.me
        if me is not None and me.session_id == session_id:
            await self._session.logout()
        else:
            await self._client.request(self._client.build(EndSession, session_id), Done)

    async def push(self) -> PushShown:
        """Return the server's key for Web Push, and whether this session's device is notified.

        Raises RequestRefused: push_off.
        """
        return await self._client.request(ShowPush(), PushShown)

    async def subscribe_push(self, endpoint: str, p256dh: bytes, auth: bytes, *, show_text: bool = False) -> None:
        """Have this session's device notified while it has no connection; `endpoint`, `p256dh` (65 bytes) and `auth` (16
        bytes) are those of the browser's PushSubscription. See SubscribePush in the wire specification for what it is told.

        Raises RequestRefused: push_off, push_service_unknown.
        """
        await self._client.request(self._client.build(SubscribePush, endpoint, p256dh, auth, show_text), Done)

    async def unsubscribe_push(self) -> None:
        """End the notifications of this session's device, if it has any."""
        await self._client.request(UnsubscribePush(), Done)
