"""Server addresses as people write them: tcp://HOST:PORT, tls://, ws://, wss://."""

from typing import Final, Literal, cast, get_args
from urllib.parse import urlsplit

import attrs

Scheme = Literal["tcp", "tls", "ws", "wss"]

_DEFAULT_PORTS: Final[dict[str, int]] = {"ws": 80, "wss": 443}
"""Only for WebSocket, whose ports are everybody's; a chatsrv port of its own is always named."""


class BadUrl(ValueError):
    """The text is not the address of a server; the message says what would be one."""


@attrs.frozen(slots=True)
class ServerAddress:
    """Where to connect, and by which transport. `resource` is the path and query of a WebSocket."""

    scheme: Scheme
    host: str
    port: int
    resource: str = "/"

    @property
    def encrypted(self) -> bool:
        """Whether the connection is over TLS."""
        return self.scheme in ("tls", "wss")

    @property
    def websocket(self) -> bool:
        """Whether frames travel in WebSocket messages."""
        return self.scheme in ("ws", "wss")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.resource if self.resource != '/' else ''}"


def parse_url(url: str) -> ServerAddress:
    """Parse a URL. Raises BadUrl for an unknown scheme, a missing host or port, or a part that would be ignored."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadUrl(f"'{url}' is not an address: {error}") from None
    if parts.scheme not in get_args(Scheme):
        raise BadUrl(f"'{url}' is not an address: write tcp://HOST:PORT, tls://, ws:// or wss://")
    if not parts.hostname:
        raise BadUrl(f"'{url}' names no host: write {parts.scheme}://HOST:PORT")
    try:
        parts.hostname.encode("idna")
    except UnicodeError:  # what looking it up would raise
        raise BadUrl(f"'{url}' names no host: a part between two dots is empty or too long") from None
    if parts.username is not None or parts.fragment:
        raise BadUrl(f"'{url}' holds a user or a fragment: names and passwords do not stand in addresses")
    scheme = cast("Scheme", parts.scheme)
    port = port or _DEFAULT_PORTS.get(scheme)
    if not port:
        raise BadUrl(f"'{url}' names no port: write {scheme}://HOST:PORT")
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if resource != "/" and scheme in ("tcp", "tls"):
        raise BadUrl(f"'{url}' has a path, which only ws:// and wss:// can have")
    return ServerAddress(scheme, parts.hostname, port, resource)
