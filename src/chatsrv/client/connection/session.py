"""A connection that is kept: dial, handshake, log in by token, and again after a pause whenever it is lost.

A guest's connection is not kept: the server ends it soon, and the next login dials anew.
"""

from collections.abc import Callable
from typing import Final

import attrs
import trio

from chatsrv.client.client_ids import ServerClock
from chatsrv.client.connection.backoff import LONGEST, Backoff
from chatsrv.client.connection.command_queue import CommandQueue
from chatsrv.client.connection.connection import ServerConnection
from chatsrv.client.connection.dial import Dial
from chatsrv.client.connection.pending_request import PendingRequest
from chatsrv.client.errors import (
    ClientClosed,
    ClientError,
    LinkLost,
    NotLoggedIn,
    ProtocolViolation,
    RequestRefused,
    SessionEnded,
    Unreachable,
    is_code,
)
from chatsrv.client.events import Connected, Disconnected, Reconnecting
from chatsrv.client.following.buffer import Buffer
from chatsrv.client.following.follow import Follower, Start
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.common import Refused
from chatsrv_protocol.session import LoggedIn, Resume

STEADY: Final = 10.0
"""Seconds a login has to last for the next loss to count as the first again."""


@attrs.frozen(slots=True, kw_only=True)
class Settings:
    """The settings of a client. Times are in seconds."""

    agent: str
    connect_timeout: float
    give_up_after: float
    buffer: int
    follow: bool
    start: Start


class ClientSession:
    """The connection of one client, and its session. Its life is the task `run`, in the client's nursery."""

    def __init__(
        self, dial: Dial, settings: Settings, clock: ServerClock, backoff: Backoff, fraction: Callable[[], float]
    ) -> None:
        self.clock = clock
        self.settings = settings
        self.token: bytes | None = None
        self.me: LoggedIn | None = None
        self.link: ServerConnection | None = None
        self.leaving = False
        self.guests = CommandQueue(fraction)
        self.members = CommandQueue(fraction, NotLoggedIn())
        self.buffer = Buffer(settings.buffer)
        self.follower: Follower | None = None
        self.opened = trio.Event()
        self.failure: ClientError | None = None
        self._dial = dial
        self._backoff = backoff
        self._fraction = fraction
        self._user_id = 0
        self._logged_in_at = 0.0
        self._closing = False
        self._done = trio.Event()

    async def run(self) -> None:
        """Connect, and stay connected while there is a session. Raises nothing but a cancel; see `failure`."""
        down_since = trio.current_time()
        while not self._closing:
            self.link = None
            failure = await self._one_connection()
            if self._closing:
                break
            if not self.opened.is_set():
                self.failure = failure
                self.opened.set()
                break
            link: ServerConnection | None = self.link
            was_in = link is not None and link.logged_in.is_set()
            if was_in:
                down_since = trio.current_time()
                if down_since - self._logged_in_at >= STEADY:
                    self._backoff.reset()
            if isinstance(failure, SessionEnded):
                self._session_over(failure)
            elif isinstance(failure, RequestRefused):
                self._give_up(failure)
                break
            if self.token is None:
                await self._until_wanted(link, failure)
            elif not await self._pause(failure, link, down_since, was_in=was_in):
                break
        self._done.set()

    async def close(self) -> None:
        """Close the connection gracefully within its deadlines; tasks that wait get ClientClosed."""
        self._closing = True
        self.guests.refuse(ClientClosed("the client is closed"))
        self.members.refuse(ClientClosed("the client is closed"))
        self._stop_following(None)
        if self.link is not None:
            self.link.end("the client is closed")
            await self.link.closed.wait()

    async def _until_wanted(self, link: ServerConnection | None, failure: ClientError) -> None:
        """Wait without a session until a login is asked for. A dial that failed is the answer to those that are waiting."""
        if link is None or link.welcome is None:
            self.guests.fail(failure)
            await trio.lowlevel.checkpoint()  # they take the error, and are gone
        elif len(self.guests):
            await trio.sleep(self._backoff.next())
        while not len(self.guests):
            await self.guests.wanted.park()

    async def _pause(
        self, failure: ClientError, link: ServerConnection | None, down_since: float, *, was_in: bool
    ) -> bool:
        """Wait before the next try; False when it is time to give up."""
        if was_in:
            self.buffer.put_notice("state", Disconnected(str(failure)))
        now = trio.current_time()
        come_back_at = link.come_back_at if link is not None else 0.0
        failures = self._backoff.failures
        left = down_since + self.settings.give_up_after - now
        delay = min(self._backoff.next(max(0.0, come_back_at - now)), left)  # the last try is at the very end
        if left <= 0:
            self._give_up(Unreachable(f"no connection for {self.settings.give_up_after:g} seconds: {failure}"))
            return False
        self.buffer.put_notice("state", Reconnecting(delay, failures))
        await trio.sleep(delay)
        return True

    def _give_up(self, error: ClientError) -> None:
        self.failure = error
        self.guests.refuse(error)
        self.members.refuse(error)
        self._stop_following(error)

    def end_session(self) -> None:
        """End the session after a logout: the server closes the connection, and so does this side."""
        self._session_over(SessionEnded("logged out"))
        if self.link is not None:
            self.link.end("logged out")

    def _session_over(self, error: SessionEnded) -> None:
        """Make the client a guest again, since its token is void, and raise that in all tasks that wait."""
        left = self.leaving
        self.token = None
        self.me = None
        self.members.refuse(NotLoggedIn() if left else error)
        self._stop_following(None if left else error)

    def _stop_following(self, error: ClientError | None) -> None:
        self.buffer.finish(error)
        if self.follower is not None:
            self.follower.listed.set()

    async def _one_connection(self) -> ClientError:
        """Run one connection from dial to close; return why it ended, or did not come about."""
        async with trio.open_nursery() as nursery:
            try:
                link = await self._establish(nursery)
            except ClientError as error:
                failure = error
            else:
                nursery.start_soon(self._follow, link)
                nursery.start_soon(self._report_deliveries, link)
                nursery.start_soon(self._leave_when_told, link)
                self.opened.set()
                await link.lost.wait()
                over = link.ended_by is not None and is_code(link.ended_by.reason, ErrorCode.SESSION_ENDED)
                failure = SessionEnded("this session was ended: log in again") if over else link.reason
            if self.link is not None:
                self.link.end("no session came about")
                await self.link.closed.wait()
            nursery.cancel_scope.cancel()
        return failure

    async def _establish(self, nursery: trio.Nursery) -> ServerConnection:
        """Dial, do the handshake and resume, within the deadline. Raises Unreachable, SessionEnded and errors that are final."""
        timeout = self.settings.connect_timeout
        try:
            with trio.fail_after(timeout):
                stream = await self._dial(nursery)
                link = self.link = ServerConnection(stream, self.clock, self._on_event, self._on_login)
                nursery.start_soon(link.run)
                await self._introduce(link)
        except trio.TooSlowError:
            raise Unreachable(f"no connection within {timeout:g} seconds") from None
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            # Trio's own errors say what happened in their cause.
            raise Unreachable(str(error.__cause__ or error) or type(error).__name__) from error
        except LinkLost as error:
            raise self._as_failure(error) from None
        return link

    async def _introduce(self, link: ServerConnection) -> None:
        await link.hello(self.settings.agent)
        if self.token is None:
            self.guests.use(link)
            return
        reply = (await link.submit(PendingRequest(Resume(self.token))).answer()).reply
        if isinstance(reply, Refused):
            if is_code(reply.code, ErrorCode.SESSION_ENDED):
                raise SessionEnded(reply.message)
            raise Unreachable(f"{reply.message} ({reply.code})")

    def _as_failure(self, error: LinkLost) -> ClientError:
        """Return why a handshake failed: an error that is final, or one after which another try makes sense."""
        link = self.link
        if link is not None and link.violation is not None:
            return ProtocolViolation(f"this is no chatsrv server: {link.violation}")
        words = None if link is None else link.final_refusal
        if words is not None and is_code(words.code, ErrorCode.VERSION_UNSUPPORTED):
            return RequestRefused.of_reply(words)
        return Unreachable(str(error))

    async def _follow(self, link: ServerConnection) -> None:
        await link.logged_in.wait()
        if self.follower is not None:
            await self.follower.run(link)

    async def _report_deliveries(self, link: ServerConnection) -> None:
        await link.logged_in.wait()
        if self.follower is not None:
            await self.follower.deliveries.run(link)

    async def _leave_when_told(self, link: ServerConnection) -> None:
        """Leave a server that is stopping at a random moment of the time it gives, with no request unanswered."""
        await link.told_to_leave.wait()
        within = min(link.draining / 1000, LONGEST)
        link.come_back_at = trio.current_time() + within * self._fraction()
        await trio.sleep_until(link.come_back_at)
        with trio.move_on_after(max(within, 1.0)):
            await link.settled()
        link.end("the server is stopping")

    def _on_login(self, link: ServerConnection, logged_in: LoggedIn) -> None:
        """Note, from the reader, that what comes next on this connection belongs to this user."""
        again = self.me is not None
        if not again:
            self.buffer.reopen()
        if logged_in.token:
            self.token = logged_in.token
        if self.settings.follow and (self.follower is None or self._user_id != logged_in.user_id):
            if self.follower is not None:
                self.buffer.drop(lambda _event: True)  # somebody else's
            self.follower = Follower(self.buffer, self.settings.start)
        self._user_id = logged_in.user_id
        self.me = logged_in
        self.leaving = False
        self._logged_in_at = trio.current_time()
        self.buffer.put_notice("state", Connected(logged_in.user_id, logged_in.name, again))
        if self.follower is not None:
            self.follower.begin(link)
        self.members.use(link)

    def _on_event(self, event: object) -> None:
        if self.follower is not None:
            self.follower.on_event(event)
