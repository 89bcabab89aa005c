"""Commands about the session of a client: registering, logging in and out."""

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
    """Commands about a client's session. One login is under way at a time; others wait for it."""

    def __init__(self, keeper: ClientSession) -> None:
        self._keeper = keeper
        self._entering = trio.Lock()

    @property
    def me(self) -> LoggedIn | None:
        """Who is logged in; None for a guest."""
        return self._keeper.me

    @property
    def token(self) -> bytes | None:
        """The secret that logs in again (`resume`): keep it like a password. None for a guest."""
        return self._keeper.token

    async def register(self, name: str, password: str, device: str = "") -> LoggedIn:
        """Create an account (name of 1 to 32 characters, password of 1 to 256) and log in to it.

        When the answer is lost with its connection and the next try finds the name taken, the password decides whether the
        account is the one just created. Raises Unreachable. Raises RequestRefused: registration_closed, plaintext_refused,
        name_taken, password_weak, message_refused, bad_credentials.
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
        """Log in by password, as a new session of this device (a name of at most 64 characters). Raises Unreachable.

        Raises RequestRefused: plaintext_refused, bad_credentials.
        """
        async with self._entering:
            return await self._enter(self.build(Login, name, password, device))

    async def resume(self, token: bytes) -> LoggedIn:
        """Log in by the token of an earlier session. Raises SessionEnded where it is void, and Unreachable.

        Raises RequestRefused: plaintext_refused.
        """
        async with self._entering:
            try:
                return await self._enter(self.build(Resume, token), token)
            except RequestRefused as refusal:
                if is_code(refusal.code, ErrorCode.SESSION_ENDED):
                    raise SessionEnded(refusal.message) from None
                raise

    async def _enter(self, command: object, token: bytes | None = None) -> LoggedIn:
        """Log in as a guest and wait until the groups are known, so that events from now on are complete."""
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
        """End this session: the token is void, `events()` ends, and the client is a guest again. Raises NotLoggedIn."""
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
