"""`/session`: the cookie by which the server's own page is logged in, and which its script cannot read.

    POST /session      Authorization: Bearer TOKEN      -> 204, Set-Cookie
    DELETE /session                                     -> 204, the session is over, the cookie goes

The page logs in over the WebSocket, brings the token here and forgets it. From then on the cookie speaks for it: in the
WebSocket's handshake (`ResumeHere`), for media and for uploads. It is the session's token, so it opens nothing once the
session has ended, wherever that was done.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from chatsrv.auth.sites import Browser, Sites, browser_of
from chatsrv.http.auth import Callers
from chatsrv.http.responses import NO_STORE, refusal
from chatsrv.metrics import Metrics
from chatsrv_storage.accounts.sessions import IDLE_MS
from chatsrv_storage.errors import Refusal, StorageFailed

PATH: Final = "/session"
EndSession = Callable[[int, int], Awaitable[None]]
"""(user id, session id) → the session is over, and so are its connections."""


class SessionApp:
    """The handler of `/session`."""

    def __init__(self, callers: Callers, sites: Sites, end_session: EndSession, metrics: Metrics) -> None:
        self._callers = callers
        self._sites = sites
        self._end_session = end_session
        self._metrics = metrics

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        try:
            response = await self._answer(request)
        except Refusal as error:
            response = refusal(error)
        except StorageFailed:  # the server is about to stop
            response = refusal(Refusal("internal", "the server's storage failed, and it stops"))
        self._metrics.answered(request.method, response.status_code)
        return response

    async def _answer(self, request: Request) -> Response:
        if request.method not in ("POST", "DELETE"):
            return Response(None, HTTPStatus.METHOD_NOT_ALLOWED, {**NO_STORE, "allow": "POST, DELETE"})
        browser = browser_of(request.headers.raw, self._callers.scheme(request))
        if browser is None or not self._sites.knows(browser.host):
            return Response(None, HTTPStatus.MISDIRECTED_REQUEST, NO_STORE)
        if request.headers.get("sec-fetch-site") != "same-origin":
            return Response(None, HTTPStatus.FORBIDDEN, NO_STORE)
        if request.method == "POST":
            await self._callers.by_header(request)
            token = request.headers["authorization"].partition(" ")[2].lower()
            return _answer_cookie(browser, token, IDLE_MS // 1000)
        try:
            bearer = await self._callers.by_cookie(request)
            await self._end_session(bearer.user_id, bearer.session_id)
        except Refusal as error:
            if error.code != "session_ended":
                raise
        return _answer_cookie(browser, "", 0)


def _answer_cookie(browser: Browser, value: str, seconds: int) -> Response:
    secure = "; Secure" if browser.scheme == "https" else ""
    cookie = f"{browser.cookie}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}"
    return Response(None, HTTPStatus.NO_CONTENT, {**NO_STORE, "set-cookie": cookie})
