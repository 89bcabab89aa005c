"""What a setting can be: addresses, paths and lists, how they are read and checked."""

import ipaddress
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from attrs import validators as check

from chatsrv_protocol import ProtocolError
from chatsrv_protocol.fields import TITLE


class ConfigError(Exception):
    """A setting is unknown, has the wrong type or contradicts another: the message says which, where, and what would be right."""


@attrs.frozen(slots=True)
class Address:
    """A host and a port to listen on; port 0 means any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `HOST:PORT`, `[IPv6]:PORT` or `:PORT` (loopback). Raises ConfigError."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ConfigError(f"'{text}' is not an address: write HOST:PORT, for example 127.0.0.1:7000")
        return cls(host.strip("[]") or "127.0.0.1", int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@lru_cache(1_024)  # asked several times for each connection
def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def to_address(value: Address | str | None) -> Address | None:
    """Return an address, parsed where it is text; None where there is none. Raises ConfigError."""
    return Address.parse(value) if isinstance(value, str) else value


def to_path(value: str | os.PathLike[str] | None) -> Path | None:
    """Return a path, or None for none."""
    return None if value is None else Path(value)


def to_names(value: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Return a list of texts as a tuple, or the parts of a text with commas."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else tuple(value)


def fits_handshake(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """Check that a text which every client gets at the handshake fits into it. Raises ValueError."""
    try:
        TITLE.check()(instance, attribute, value)
    except ProtocolError as error:
        raise ValueError(error.message) from None


def ip_addresses(_instance: object, attribute: "attrs.Attribute[Any]", value: tuple[str, ...]) -> None:
    """Check that these are IP addresses as connections show them: a name or a network would never match. Raises ConfigError."""
    for text in value:
        try:
            shown = str(ipaddress.ip_address(text))
        except ValueError:
            shown = ""
        if text != shown:
            sentence = f"{attribute.name} holds '{text}', and takes single addresses such as 127.0.0.1 or ::1"
            raise ConfigError(sentence)


def is_web_url(text: str) -> bool:
    """Whether something can be posted there, as far as the URL says."""
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        return False


HTTPS_PORT: Final = 443


def split_service(text: str) -> tuple[str, int]:
    """Return the host and port of a push service, `HOST` or `HOST:PORT`. Raises ValueError for what is none."""
    parts = urlsplit(f"https://{text}/")
    return parts.hostname or "", HTTPS_PORT if parts.port is None else parts.port


def service_problem(text: str) -> str | None:
    """Return what is wrong with a push service in the operator's list, in words; None if nothing is."""
    try:
        host, port = split_service(text)
        parts = urlsplit(f"https://{text}/")
    except ValueError:
        host, port, parts = "", 0, urlsplit("")
    is_plain = parts.path == "/" and parts.username is None and not (parts.query or parts.fragment)
    if host and host.isascii() and "*" not in host and is_plain and 0 < port < 65_536:
        return None
    return f"'{text}' is no service: write HOST or HOST:PORT"


def at_least(low: float) -> Callable[[object, "attrs.Attribute[Any]", float], None]:
    """Return the validator of a number that must not be less than `low`."""
    return check.ge(low)
