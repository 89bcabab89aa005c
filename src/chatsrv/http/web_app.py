"""The paths of the port for browsers: media and uploads, the session's cookie, and the page."""

from typing import Final

from starlette.requests import Request

from chatsrv.http.page_app import PageApp
from chatsrv.http.server import App, Receive, Scope, Send
from chatsrv.http.session_app import PATH, SessionApp

MEDIA: Final = ("media", "uploads")
"""First parts of paths that the media's application answers."""


def web_app(media: App, session: SessionApp, page: PageApp) -> App:
    """Return one ASGI application of the three."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.removeprefix("/").partition("/")[0] in MEDIA:
            await media(scope, receive, send)
            return
        handler = session if path == PATH else page
        response = await handler(Request(scope, receive))
        await response(scope, receive, send)

    return app
