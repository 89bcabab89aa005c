"""The HTTP side of a server: where media are kept (chosen here and nowhere else), the port they travel over, and the
port for whoever operates the server.
"""

import ssl
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio

from chatsrv.app.web_port import Chat, WebPort
from chatsrv.auth.address_counter import AddressCounter
from chatsrv.auth.sites import Sites, sites_of
from chatsrv.clock import Clock, Randomness
from chatsrv.cluster import Cluster
from chatsrv.commands.context import Services
from chatsrv.commands.session import close_session
from chatsrv.config import Config, ConfigError
from chatsrv.extras import missing
from chatsrv.http.auth import Callers
from chatsrv.http.media_app import media_app
from chatsrv.http.ops_app import ops_app
from chatsrv.http.page_app import BuiltPage, PageApp
from chatsrv.http.server import App, HttpPort
from chatsrv.http.session_app import SessionApp
from chatsrv.http.web_app import web_app
from chatsrv.log import Log
from chatsrv.media.errors import MediaError
from chatsrv.media.library import Library
from chatsrv.media.probe.facts import ProbeLimits
from chatsrv.media.probe.pool import open_prober
from chatsrv.media.store.interface import MediaStore
from chatsrv.media.store.local import open_local_store
from chatsrv.media.store.s3 import S3Store, open_s3_store
from chatsrv.media.store.s3_client import S3Settings
from chatsrv.media.store.sigv4 import S3Credentials
from chatsrv.media.upload_limits import UploadLimits
from chatsrv.metrics import Metrics
from chatsrv.net.listeners import Acceptor, Listener, Scheme
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import Storage

SCHEMES: Final[tuple[Scheme, ...]] = ("http", "https", "ops")
SWEEP_EVERY: Final = 3600.0
OPS_CONNECTIONS: Final = 64


@asynccontextmanager
async def open_library(
    config: Config,
    listeners: list[Listener],
    storage: Storage,
    clock: Clock,
    randomness: Randomness,
    metrics: Metrics,
    log: Log,
    *,
    has_nodes: bool = False,
) -> AsyncGenerator[Library | None]:
    """Open the media library of a server that has an HTTP address; yield None for one without. Raises ConfigError.

    `has_nodes`: there are other servers on the same storage, which go on with uploads that began here.
    """
    if config.http is None and config.https is None:
        yield None
        return
    if lacking := missing("media"):
        raise ConfigError(
            f"an HTTP address brings media, and {', '.join(lacking)} is not installed: pip install 'chatsrv[media]', "
            "or serve without http and https"
        )
    limits = UploadLimits(
        image=config.media_max_image,
        audio=config.media_max_audio,
        video=config.media_max_video,
        file=config.media_max_file,
        quota=config.media_quota,
        uploads=config.media_uploads,
        uploads_per_user=config.media_uploads_per_user,
        url_seconds=config.media_url_seconds,
        strip_metadata=config.media_strip_metadata,
    )
    previews = ProbeLimits(config.media_max_pixels, config.media_max_jpeg_pixels, config.media_max_frames)
    async with AsyncExitStack() as stack:
        store = await _open_store(config, clock, stack, log)
        prober = await stack.enter_async_context(open_prober(previews, workers=config.media_workers))
        (*_, url) = [_base_url(each) for each in listeners if each.scheme in ("http", "https")]
        base_url = config.http_url or url
        pieces = store if has_nodes and isinstance(store, S3Store) else None
        yield Library(store, prober, storage, clock, randomness, limits, metrics, log, base_url=base_url, pieces=pieces)


async def _open_store(config: Config, clock: Clock, stack: AsyncExitStack, log: Log) -> MediaStore:
    folder = config.data / "media" if config.data is not None else None
    if folder is None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chatsrv-media-")))

    def now() -> float:
        return clock.now_ms() / 1000

    try:
        if config.media_store == "local":
            return await open_local_store(folder, now=now)
        store = await stack.enter_async_context(open_s3_store(_s3_settings(config), folder / "partial", now=now))
    except (MediaError, ValueError) as error:
        raise ConfigError(f"media cannot be kept: {error.__cause__ or error}") from None
    try:
        wrong = await store.trial()
    except MediaError as error:  # it may be back in a minute, and the chat works without it
        log.warning("the store of media does not answer", error=str(error), cause=repr(error.__cause__))
        return store
    if wrong is not None:
        raise ConfigError(f"media cannot be kept: {wrong}")
    return store


def _s3_settings(config: Config) -> S3Settings:
    return S3Settings(
        config.media_s3_endpoint,
        config.media_s3_bucket,
        S3Credentials(config.media_s3_access_key, config.media_s3_secret_key),
        region=config.media_s3_region,
        prefix=config.media_s3_prefix,
        public_endpoint=config.media_s3_public_endpoint or None,
        virtual_host=config.media_s3_addressing == "virtual",
    )


class HttpSide:
    """The ports of a server's HTTP listeners."""

    def __init__(
        self,
        services: Services,
        metrics: Metrics,
        listeners: list[Listener],
        tls: ssl.SSLContext | None,
        addresses: AddressCounter,
        acceptor: Acceptor,
    ) -> None:
        config, library = services.config, services.library
        sites, page = sites_of(config), BuiltPage()
        self._ports: dict[str, WebPort] = {}
        for listener in listeners:
            if listener.scheme == "ops":
                app = ops_app(metrics, services.storage, services.stopping, services.is_full, services.is_deaf)
            elif listener.scheme in SCHEMES:
                assert library is not None
                app = _web_app(services, library, metrics, sites, page, listeners)
            else:
                continue
            ops = listener.scheme == "ops"
            http = HttpPort(
                app,
                services.log,
                max_connections=OPS_CONNECTIONS if ops else config.http_connections,
                max_per_address=config.http_connections_per_address,
                trusted_proxies=config.trusted_proxies,
            )
            self._ports[listener.scheme] = WebPort(
                listener,
                http,
                services.log,
                tls=tls if listener.scheme == "https" else None,
                addresses=addresses,
                handshake_seconds=config.handshake_timeout,
                chat=None if ops else Chat(acceptor, sites, page.digest),
            )
        metrics.watch("http_connections", "HTTP connections.", lambda: float(len(self)))

    def __len__(self) -> int:
        """Return how many HTTP connections there are now."""
        return sum(len(port.http) for port in self._ports.values())

    async def serve(
        self,
        listener: Listener,
        connections: trio.Nursery,
        task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept on one listener until cancelled."""
        await self._ports[listener.scheme].serve(connections, task_status)

    async def drain(self, seconds: float) -> None:
        """Give requests that are at work some time; what is left is cut, and an upload in pieces goes on later."""
        with trio.move_on_after(seconds):
            for port in self._ports.values():
                await port.http.drain()
        for port in self._ports.values():
            port.http.cut()


def _web_app(
    services: Services, library: Library, metrics: Metrics, sites: Sites, page: BuiltPage, listeners: list[Listener]
) -> App:
    """Return the application that a port for browsers serves."""
    config = services.config
    callers = Callers(
        services.storage,
        services.clock,
        library.tickets,
        services.rates,
        config.trusted_proxies,
        sites,
        allow_plaintext=config.allow_plaintext,
        hooks=services.hooks,
    )
    media = media_app(
        library,
        callers,
        metrics,
        services.log,
        stall_seconds=config.media_stall_timeout,
        origins=config.origins,
    )
    session = SessionApp(callers, sites, partial(close_session, services), metrics)
    media_origin = _s3_settings(config).place(public=True)[0] if config.media_store == "s3" else ""
    urls = (config.http_url, *(_base_url(each) for each in listeners if each.scheme == "https"))
    safe = [url for url in urls if url.startswith("https://") and not url.startswith("https://:")]
    pages = PageApp(
        page,
        callers,
        sites,
        metrics,
        allow_plaintext=config.allow_plaintext,
        safe_url=safe[0] if safe else "",
        media_origin=media_origin,
    )
    return web_app(media, session, pages)


def _base_url(listener: Listener) -> str:
    """Return the URL under which clients find a listener; without a host where it listens on all addresses."""
    host, port = listener.address.host, listener.address.port
    if host in ("0.0.0.0", "::", ""):  # noqa: S104  # compared, not bound
        return f"{listener.scheme}://:{port}"
    return f"{listener.scheme}://{listener.address}"


async def sweep_media(library: Library, log: Log, cluster: Cluster | None) -> None:
    """Remove what nobody refers to, every hour, forever; what several servers share, one of them at a time."""
    while True:
        await trio.sleep(SWEEP_EVERY)
        try:
            swept = await library.sweep(own_only=cluster is not None and not cluster.is_eldest)
        except (MediaError, Refusal) as error:
            log.warning("media could not be swept", error=str(error))
        else:
            log.info("media swept", partial_uploads=swept.partials, blobs=swept.blobs)
