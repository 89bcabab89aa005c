"""Where somebody comes from: the address of a socket's peer, or what a trusted proxy says of it."""

from collections.abc import Collection, Mapping
from typing import Final

import trio

from chatsrv.config import is_loopback

_OF_A_PROXY: Final = ("x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-proto", "x-forwarded-host", "via")
"""Headers that no client sends by itself; one that does only gives up what is for its neighbours."""


def plain_address(host: str) -> str:
    """An address as a person writes it: IPv4 in IPv6 clothes is IPv4."""
    return host.removeprefix("::ffff:")


def peer_of(stream: trio.SocketStream) -> str:
    """The address at the other end of a socket; `gone` where there is none any more, `local` for a Unix socket."""
    try:
        name = stream.socket.getpeername()
    except OSError:
        return "gone"
    return plain_address(str(name[0])) if name else "local"


def client_of(headers: Mapping[str, str], peer: str, trusted_proxies: Collection[str]) -> tuple[str, bool]:
    """(the client's address, whether nobody between can read): what a trusted proxy says of who comes through it.

    The headers' names are in lower case. Where a proxy is not trusted, or says no address, its client may be anybody
    anywhere: the address is then none, so that nobody from afar passes for this machine or its network.
    """
    if peer in trusted_proxies:
        said = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        return said or behind(peer), is_loopback(said) or headers.get("x-forwarded-proto", "") in ("https", "wss")
    if any(name in headers for name in _OF_A_PROXY):
        return behind(peer), False
    return peer, is_loopback(peer)


def behind(proxy: str) -> str:
    """What stands for the address of somebody behind a proxy that tells none."""
    return f"behind {proxy}"
