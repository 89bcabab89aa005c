"""Where somebody comes from: the address of a socket's peer, or what a trusted proxy says of it."""

from collections.abc import Collection

import trio


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


def behind_proxy(peer: str, forwarded_for: str | None, trusted: Collection[str]) -> str:
    """The peer, or the last address in its X-Forwarded-For, which is the proxy's own word, if the peer is trusted."""
    if forwarded_for is None or peer not in trusted:
        return peer
    return forwarded_for.rpartition(",")[2].strip() or peer
