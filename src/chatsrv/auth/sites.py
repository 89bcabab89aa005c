"""Web origins: which pages may act for a user, those that the operator names and the server's own page.

A page's own origin is `scheme://Host`, and the host is what the browser says it is. So it counts only for an address, for
`localhost`, or for a name that the operator knows: else a page that has its own name resolve to 127.0.0.1 (DNS rebinding)
would be the server's own, and on loopback anybody may register.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

import attrs

from chatsrv.auth.addresses import Headers, header_lines
from chatsrv.config import Config

_HOST: Final = re.compile(
    r"(?P<name>\[[0-9a-f:.]+\]|[^\[\]:/?#@\s]+?)\.?(?::(?P<port>\d{1,5}))?", re.ASCII | re.IGNORECASE
)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_TOKEN: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@attrs.frozen(slots=True)
class Browser:
    """What a request says of the page it comes from: the scheme and the host that the browser sees, and its origin."""

    scheme: str
    host: str
    origin: str | None

    @property
    def is_own_origin(self) -> bool:
        """Whether the page says that it is of this very host."""
        return self.origin is not None and self.origin.lower() == f"{self.scheme}://{_without_default_port(self)}"

    @property
    def cookie(self) -> str:
        """The name of the session's cookie.

        Only over TLS can a browser vouch for where a cookie comes from (`__Host-`). Cookies know no ports, so in the clear the
        port is in the name: several servers may run on one machine.
        """
        if self.scheme == "https":
            return "__Host-chatsrv"
        return f"chatsrv-{_parts(self.host)[1] or _DEFAULT_PORTS['http']}"


@attrs.frozen(slots=True)
class Sites:
    """The names under which browsers may open the server's page."""

    names: frozenset[str]

    def knows(self, host: str) -> bool:
        """Whether a page under this Host is ours: an address, localhost, or a name the operator gave."""
        name = _parts(host)[0]
        if name == "localhost" or name in self.names:
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True


def sites_of(config: Config) -> Sites:
    """Return the names in `http_url`, `origins` and `names`."""
    hosts = (urlsplit(url).hostname for url in (config.http_url, *config.origins))
    return Sites(frozenset(name.lower().rstrip(".") for name in (*hosts, *config.names) if name))


def browser_of(headers: Headers, scheme: str) -> Browser | None:
    """Return the page that a request comes from; None where its head has two Origin lines, or not one Host."""
    lines = list(headers)
    hosts, origins = header_lines(lines, b"host"), header_lines(lines, b"origin")
    if len(hosts) != 1 or len(origins) > 1:
        return None
    return Browser(scheme, hosts[0], origins[0] if origins else None)


def cookie_token(headers: Headers, browser: Browser) -> bytes | None:
    """Return the session's token in the cookie of the server's page, if there is just one."""
    found = [value for name, value in _cookies(header_lines(headers, b"cookie")) if name == browser.cookie]
    return bytes.fromhex(found[0]) if len(found) == 1 and _TOKEN.fullmatch(found[0]) else None


def _cookies(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        for pair in line.split(";"):
            name, _, value = pair.strip().partition("=")
            yield name, value


def _parts(host: str) -> tuple[str, str]:
    """Return (name in lower case, port or ""); two empty texts where it is no host."""
    match = _HOST.fullmatch(host)
    return (match["name"].lower(), match["port"] or "") if match else ("", "")


def _without_default_port(browser: Browser) -> str:
    name, port = _parts(browser.host)
    return name if port in ("", _DEFAULT_PORTS[browser.scheme]) else f"{name}:{port}"
