"""What an upload or a download needs besides its bytes: the way to the HTTP side, the file, and who hears how far it is."""

import ssl
from collections.abc import Callable
from typing import Protocol

import attrs

Progress = Callable[[int, int], object]
"""Called with (bytes done, bytes altogether); it goes back where a lost connection took bytes with it."""


class Source(Protocol):
    """An open file in binary mode, at any place: it is read from its beginning, and again after a lost connection."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...


@attrs.frozen(slots=True)
class HttpAccess:
    """Where the server's HTTP side is, on whose behalf it is used, and whom to trust there and where it sends us."""

    base: str
    token: bytes
    tls: ssl.SSLContext | None = None
    elsewhere: Callable[[], ssl.SSLContext] = ssl.create_default_context
