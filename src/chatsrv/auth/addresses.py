"""Client addresses: the peer of a socket, or what a trusted proxy reports.

One parser for both ports: HTTP requests and WebSocket handshakes bring their header lines here as they came.
"""

import ipaddress
from collections.abc import Collection, Iterable
from typing import Final

import attrs
import trio

from chatsrv.config import is_loopback

Headers = Iterable[tuple[bytes, bytes]]
"""The lines of a request's head in their order, as h11, wsproto and ASGI have them."""

_OF_A_PROXY: Final = frozenset(
    (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"x-forwarded-proto", b"x-forwarded-host", b"via")
)
"""Headers that no client sends by itself; one that does only gives up what is for its neighbours."""


def plain_address(host: str) -> str:
    """Return an address as people write it: IPv4 mapped to IPv6 becomes IPv4."""
    return host.removeprefix("::ffff:")


def peer_of(stream: trio.SocketStream) -> str:
    """Return the address at the other end of a socket; `gone` where it is closed, `local` for a Unix socket."""
    try:
        name = stream.socket.getpeername()
    except OSError:
        return "gone"
    return plain_address(str(name[0])) if name else "local"


def header_lines(headers: Headers, name: bytes) -> list[str]:
    """Return the values of all lines with this name (in lower case), in their order."""
    return [value.decode("latin-1").strip() for each, value in headers if each.lower() == name]


@attrs.frozen(slots=True)
class ClientAddress:
    """The address of a client, and whether proxies report that its way to them is encrypted."""

    host: str
    encrypted: bool = False

    @property
    def secure(self) -> bool:
        """Nobody between can read: it is encrypted, or never leaves this machine."""
        return self.encrypted or is_loopback(self.host)


def client_of(headers: Headers, peer: str, trusted_proxies: Collection[str]) -> ClientAddress:
    """Return the client of a request: the address that trusted proxies report, else the peer.

    Each proxy adds the address it was called from at the end of X-Forwarded-For, so the client is the last element that is no
    trusted proxy; what is before it the client may have written itself. Where a proxy is not trusted, or reports no
    address, its client may be anybody anywhere: the address is then `behind PROXY`, so that nobody from afar passes for this
    machine or its network. The way counts as encrypted if every X-Forwarded-Proto says so.
    """
    lines = list(headers)
    if peer in trusted_proxies:
        schemes = _elements(lines, b"x-forwarded-proto")
        encrypted = bool(schemes) and all(scheme.lower() in ("https", "wss") for scheme in schemes)
        return ClientAddress(_forwarded_for(lines, trusted_proxies) or behind(peer), encrypted)
    if any(name.lower() in _OF_A_PROXY for name, _ in lines):
        return ClientAddress(behind(peer))
    return ClientAddress(peer)


def behind(proxy: str) -> str:
    """Return the text that stands for the address of a client behind a proxy that reports none."""
    return f"behind {proxy}"


def _elements(headers: Headers, name: bytes) -> list[str]:
    """Return the elements of a list that may be spread over several lines (RFC 9110, section 5.3)."""
    return [element.strip() for line in header_lines(headers, name) for element in line.split(",") if element.strip()]


def _forwarded_for(headers: Headers, trusted_proxies: Collection[str]) -> str | None:
    client: str | None = None
    for element in reversed(_elements(headers, b"x-forwarded-for")):
        client = _address(element)
        if client is None or client not in trusted_proxies:
            break
    return client


def _address(element: str) -> str | None:
    """Return an element of X-Forwarded-For as an address in its usual form, without the port that some proxies add."""
    host = element
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    if "%" in host:  # a zone means something on the machine of the proxy only
        return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
