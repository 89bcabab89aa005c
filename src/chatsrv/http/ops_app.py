"""Health and metrics for operators: on a listener of its own, since behind a proxy everything looks like loopback."""

from collections.abc import Callable

import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from chatsrv.metrics import CONTENT_TYPE, Metrics
from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.interface import Storage

READY_SECONDS = 2.0

READ_ONLY = "ok, but read-only: the disk is full\n"
"""With status 200: clients are served what they read, and there is no better server to send them to."""


def ops_app(
    metrics: Metrics, storage: Storage, stopping: trio.Event, is_full: Callable[[], bool], is_deaf: Callable[[], bool]
) -> Starlette:
    """Return the ASGI application of the operator's port.

    `/healthz`: the process lives. `/readyz`: it takes connections, reads its database, and has a storage that is fit. `/metrics`:
    Prometheus. `is_full` tells whether changes are refused for want of room, `is_deaf` whether this node does not hear the
    others: then clients had better go to one that does.
    """

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        if stopping.is_set():
            return PlainTextResponse("stopping\n", 503)
        try:
            with trio.fail_after(READY_SECONDS):
                await storage.read(lambda conn: conn.execute("select 1").fetchone())
        except (Refusal, StorageFailed, trio.TooSlowError, trio.ClosedResourceError):
            return PlainTextResponse("the database does not answer\n", 503)
        if reason := storage.unfit_reason:
            return PlainTextResponse(f"{reason}\n", 503)
        if is_deaf():
            return PlainTextResponse("the other nodes are not heard\n", 503)
        return PlainTextResponse(READ_ONLY if is_full() else "ok\n")

    async def page(request: Request) -> Response:
        return Response(metrics.page(), media_type=CONTENT_TYPE)

    app = Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", page)])
    app.router.redirect_slashes = False  # it would send people to whatever host their request names
    return app
