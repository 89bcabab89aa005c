"""What an upload or a download needs besides its bytes: the address of the HTTP side, the file, the progress callback."""

import ssl
from collections.abc import Callable
from typing import Protocol

import attrs

Progress = Callable[[int, int], object]
"""Called with (bytes done, bytes altogether); bytes done may fall where a lost connection lost some."""


class Source(Protocol):
    """An open file in binary mode, at any position: it is read from its beginning, and again after a lost connection."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...


@attrs.frozen(slots=True)
class HttpAccess:
    """The base URL of the server's HTTP side, the token to use there, and the certificates to trust there and at redirects."""

    base: str
    token: bytes
    tls: ssl.SSLContext | None = None
    elsewhere: Callable[[], ssl.SSLContext] = ssl.create_default_context
