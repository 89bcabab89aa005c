"""The session of a client: registering, logging in and out."""

import trio

from chatsrv.client.commands.base import Commands
from chatsrv.client.connection.session import ClientSession
from chatsrv.client.errors import ClientError, NotLoggedIn, RequestRefused, SessionEnded, is_code
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.session import (
    LoggedIn,
    Login,
    Logout,
    Register,
    Resume,
)


class SessionCommands(Commands):
    """Methods of a client about its session. One login is at work at a time."""

    def __init__(self, keeper: ClientSession) -> None:
        self._keeper = keeper
        self._entering = trio.Lock()

    @property
    def me(self) -> LoggedIn | None:
        """Who is logged in; None for a guest."""
        return self._keeper.me

    @property
    def token(self) -> bytes | None:
        """What logs in again (`resume`): keep it like a password. None for a guest."""
        return self._keeper.token

    async def register(self, name: str, password: str, device: str = "") -> LoggedIn:
        """Make an account and log in to it.

        When the answer is lost with its connection and the next try finds the name taken, the password decides
        whether the account is the one just made. Raises RequestRefused and Unreachable.
        """
        async with self._entering:
            try:
                return await self._enter(self.build(Register, name, password, device))
            except RequestRefused as refusal:
                if not (refusal.repeated and is_code(refusal.code, ErrorCode.NAME_TAKEN)):
                    raise
                taken = refusal
            try:
                return await self._enter(Login(name, password, device))
            except RequestRefused as refusal:
                raise (taken if is_code(refusal.code, ErrorCode.BAD_CREDENTIALS) else refusal) from None

    async def login(self, name: str, password: str, device: str = "") -> LoggedIn:
        """Log in by password, as a new session of this device. Raises RequestRefused and Unreachable."""
        async with self._entering:
            return await self._enter(self.build(Login, name, password, device))

    async def resume(self, token: bytes) -> LoggedIn:
        """Log in by the token of an earlier session. Raises SessionEnded where it is void, and Unreachable."""
        async with self._entering:
            try:
                return await self._enter(self.build(Resume, token), token)
            except RequestRefused as refusal:
                if is_code(refusal.code, ErrorCode.SESSION_ENDED):
                    raise SessionEnded(refusal.message) from None
                raise

    async def _enter(self, command: object, token: bytes | None = None) -> LoggedIn:
        """One login as a guest, and the wait until the groups are known, so that `now` means now."""
        keeper = self._keeper
        if keeper.token is not None and keeper.guests.error is None:
            raise RequestRefused(ErrorCode.NOT_NOW, "this client is logged in: log out first")
        answer = await keeper.guests.exchange(command, patient=False)
        if token is not None:
            keeper.token = token
        if keeper.follower is not None:
            await keeper.follower.listed.wait()
        logged_in: LoggedIn = answer.reply
        return logged_in

    async def logout(self) -> None:
        """End this session: the token is void, `events()` ends, and the client is a guest again."""
        keeper = self._keeper
        if keeper.token is None:
            raise NotLoggedIn
        keeper.leaving = True
        try:
            await self.exchange(Logout())
        except (SessionEnded, NotLoggedIn):
            pass  # the first try took effect, and its answer was lost
        except ClientError:
            keeper.leaving = False
            raise
        keeper.end_session()
