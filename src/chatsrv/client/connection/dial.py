"""From an address to a stream of frames' bytes: TCP, TLS, and WebSocket over either."""

import ssl
from collections.abc import Awaitable, Callable
from os import PathLike

import attrs
import trio

from chatsrv.client.connection.url import ServerAddress, parse_url

Dialer = Callable[[], Awaitable[trio.abc.Stream]]
"""Makes a new connection, or raises OSError or trio.BrokenResourceError: what a caller hands in instead of a URL."""

Dial = Callable[[trio.Nursery], Awaitable[trio.abc.Stream]]
"""The same, with a nursery for tasks that live as long as the connection."""


@attrs.frozen(slots=True)
class Trust:
    """The host that a client talks to, and the certificates it trusts, which hold for the server's HTTP address too."""

    host: str
    tls: ssl.SSLContext | None
    ca_file: str | PathLike[str] | None
    insecure: bool
    own_port: str = ""
    """The port that it connects to, as an address of HTTP; empty where that is no WebSocket's."""

    @classmethod
    def of(
        cls,
        server: str | Dialer,
        *,
        tls: ssl.SSLContext | None,
        ca_file: str | PathLike[str] | None,
        insecure: bool,
    ) -> "Trust":
        """Make it from the arguments of `open_client`. Without a URL the host is this machine."""
        if not isinstance(server, str):
            return cls("localhost", tls, ca_file, insecure)
        target = parse_url(server)
        host = f"[{target.host}]" if ":" in target.host else target.host
        scheme = "https" if target.encrypted else "http"
        own_port = f"{scheme}://{host}:{target.port}" if target.websocket else ""
        return cls(host, tls, ca_file, insecure, own_port)

    def context(self) -> ssl.SSLContext:
        """Return the TLS context for the server itself, as for tls:// and wss://."""
        return self.tls or _context(self.ca_file, insecure=self.insecure)

    def elsewhere(self) -> ssl.SSLContext:
        """Return the TLS context for hosts that the server redirects to: the system's authorities count besides `ca_file`."""
        context = self.context()
        if self.tls is None:
            context.load_default_certs()
        return context


def make_dial(
    server: str | Dialer,
    *,
    tls: ssl.SSLContext | None = None,
    ca_file: str | PathLike[str] | None = None,
    insecure: bool = False,
) -> Dial:
    """Return a function that connects to a server by URL, or by the caller's own dialer.

    For tls:// and wss://: `tls` is used as it is; else the system's authorities, or those of `ca_file`, vouch for the server.
    `insecure` trusts any certificate, for tests. Raises BadUrl, OSError for the CA file, ssl.SSLError.
    """
    if not isinstance(server, str):
        return lambda _nursery: server()
    target = parse_url(server)
    context = (tls or _context(ca_file, insecure=insecure)) if target.encrypted else None

    async def dial(nursery: trio.Nursery) -> trio.abc.Stream:
        return await _connect(nursery, target, context)

    return dial


def _context(ca_file: str | PathLike[str] | None, *, insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _connect(nursery: trio.Nursery, target: ServerAddress, context: ssl.SSLContext | None) -> trio.abc.Stream:
    raw: trio.abc.Stream = await trio.open_tcp_stream(target.host, target.port)
    try:
        if context is not None:
            encrypted = trio.SSLStream(raw, context, server_hostname=target.host, https_compatible=True)
            await encrypted.do_handshake()
            raw = encrypted
        if target.websocket:
            # A third of what a command imports besides Trio, and tcp:// needs nothing of it.
            from chatsrv.client.connection.websocket import open_websocket

            return await open_websocket(nursery, raw, _host_header(target), target.resource)
    except BaseException:
        await trio.aclose_forcefully(raw)
        raise
    return raw


def _host_header(target: ServerAddress) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{host}:{target.port}"
