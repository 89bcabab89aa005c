"""Whom the server posts notifications to: known push services, and those that the operator lists.

Users choose where their notifications go, so without this any user could have the server post anywhere, into its own network
too (server-side request forgery). A name is checked when somebody subscribes and before each post; the address, after the name
was looked up and before it is connected to, so that a name which points elsewhere later gains nothing.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

import attrs

from chatsrv.config.values import HTTPS_PORT, split_service

KNOWN_SERVICES: Final = (
    "fcm.googleapis.com",  # Chrome, Chromium, Edge on Android, Opera, Samsung Internet
    "updates.push.services.mozilla.com",  # Firefox
    "*.notify.windows.com",  # Edge on Windows
    "web.push.apple.com",  # Safari
    "*.push.apple.com",
)
"""`*.` stands for any names below; all of them on port 443 alone."""

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses of IPv4 in a network that has IPv6 alone."""


@attrs.frozen(slots=True)
class Endpoint:
    """Where a subscription's notifications are posted."""

    url: str = attrs.field(repr=False)
    host: str
    port: int

    @property
    def origin(self) -> str:
        """`https://host`, with the port where it is another than 443."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}" if self.port == HTTPS_PORT else f"https://{host}:{self.port}"


class PushServices:
    """The services that are posted to. `listed`: names of hosts, with `:PORT` where it is another than 443."""

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._listed = frozenset(map(split_service, listed))

    def endpoint(self, url: str) -> Endpoint | None:
        """Return what this URL names, if the server posts there; None if it does not."""
        if not url.isascii() or any(each <= " " or each in '\\"<>^`{|}\x7f' for each in url):
            return None
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", HTTPS_PORT if parts.port is None else parts.port
        except ValueError:
            return None
        if parts.scheme != "https" or parts.username is not None or parts.password is not None or parts.fragment:
            return None
        if self.is_listed(host, port) or _is_known(host, port):
            return Endpoint(url, host, port)
        return None

    def is_listed(self, host: str, port: int) -> bool:
        """Whether the operator named this very service: then it may be in a private network."""
        return (host, port) in self._listed

    def may_connect(self, host: str, port: int, address: str) -> bool:
        """Whether a connection to this address is one to the service, and to nothing in the server's own network."""
        return self.is_listed(host, port) or (_is_known(host, port) and is_public(address))


def _is_known(host: str, port: int) -> bool:
    return port == HTTPS_PORT and any(
        host == known or (known.startswith("*.") and host.endswith(known[1:]) and len(host) > len(known) - 1)
        for known in KNOWN_SERVICES
    )


def is_public(address: str) -> bool:
    """Whether an IP address is one of the Internet: not private, loopback, link-local, multicast or reserved."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip.sixtofour is not None or ip.teredo is not None or ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
