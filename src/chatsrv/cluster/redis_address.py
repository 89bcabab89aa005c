"""Where a Redis or Valkey is, and as whom to log in there: the URLs of `--bus`."""

from typing import Final
from urllib.parse import unquote, urlsplit

import attrs

DEFAULT_PORT: Final = 6379
DEFAULT_USER: Final = "default"
"""Whose password one without a user is."""


@attrs.frozen
class RedisAddress:
    """A server. Its string is for logs: it has no password."""

    host: str
    port: int
    encrypted: bool
    user: str
    """Empty where nobody logs in."""
    password: str = attrs.field(repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.encrypted else 'redis'}://{host}:{self.port}"


def parse_address(url: str) -> RedisAddress:
    """Read redis://[[user]:password@]host[:port][/database], or rediss:// for TLS. Raises ValueError, without the password.

    A number of a database is accepted and of no consequence: channels belong to all of them.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
        host = parts.hostname
    except ValueError:
        raise ValueError(f"{place_of(url)} is no URL of a Redis: {_ESCAPES}") from None
    if parts.scheme not in ("redis", "rediss") or not host or not (parts.path[1:] or "0").isdecimal():
        raise ValueError(f"{place_of(url)} is no URL of a Redis, such as redis://user:password@host:6379: {_ESCAPES}")
    if parts.query or parts.fragment:
        raise ValueError(f"{place_of(url)} is followed by something that is not known here: {_ESCAPES}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if password and not user:
        user = DEFAULT_USER
    return RedisAddress(host, port, parts.scheme == "rediss", user, password)


_ESCAPES: Final = "in a user and a password write %2F for /, %40 for @, %3A for :, %3F for ? and %23 for #"


def place_of(url: str) -> str:
    """Return a URL without its user and password, whether it can be read or not."""
    scheme, _, rest = url.partition("://")
    place = rest.rpartition("@")[2]
    return f"{scheme}://{place.partition('/')[0].partition('?')[0].partition('#')[0]}"
