"""Posting a notification to a push service (RFC 8030), and what the service's answer means."""

import email.utils
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol, cast

import attrs
import httpcore
import httpx
import trio

from chatsrv.http_calls import call
from chatsrv.push.services import Endpoint, PushServices

POST_SECONDS: Final = 15.0
"""For a whole exchange, the name's look-up included."""

MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_CONNECTIONS: Final = 16
KEPT_SECONDS: Final = 30.0
"""After which an idle connection to a push service is closed."""

MAX_RETRY_SECONDS: Final = 3600.0
"""Of what a service asks to wait."""


@attrs.frozen(slots=True)
class PushAnswer:
    """What a push service said."""

    status: int
    """The status of HTTP; 0: there was no answer."""
    retry_after: float = 0.0
    """Seconds after which to try again, at most MAX_RETRY_SECONDS; 0 where the service said nothing."""
    reason: str = ""
    """Why there is no answer, for the log."""

    @property
    def is_taken(self) -> bool:
        """The service has the message."""
        return 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """The subscription does not exist any more (RFC 8030, section 7.3)."""
        return self.status in (404, 410)

    @property
    def is_temporary(self) -> bool:
        """A later try may succeed."""
        return self.status in (0, 408, 425, 429) or self.status >= 500


class PushGateway(Protocol):
    """The way to the push services."""

    async def post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, /) -> PushAnswer:
        """Post once; takes at most POST_SECONDS and raises nothing. A cancel leaves it open whether the service has it."""
        ...


class HttpPushGateway:
    """Posts over HTTPS. Made by `open`."""

    def __init__(self, client: httpx.AsyncClient, wall_seconds: Callable[[], float]) -> None:
        self._client = client
        self._wall_seconds = wall_seconds

    @classmethod
    @asynccontextmanager
    async def open(cls, services: PushServices, wall_seconds: Callable[[], float]) -> AsyncGenerator["HttpPushGateway"]:
        """Connections to these services and no others. `wall_seconds`: the wall clock, for Retry-After.

        Certificates are checked by certifi's list, or by SSL_CERT_FILE and SSL_CERT_DIR of the environment.
        """
        transport = _PinnedTransport(services)
        async with httpx.AsyncClient(
            transport=transport, trust_env=False, follow_redirects=False, timeout=POST_SECONDS
        ) as client:
            yield cls(client, wall_seconds)

    async def post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, /) -> PushAnswer:
        """See PushGateway. A redirect is not followed: it is an answer that is no success."""
        with trio.move_on_after(POST_SECONDS):
            return await self._post(endpoint, headers, body)
        return PushAnswer(0, reason=f"no answer within {POST_SECONDS:g} s")

    async def _post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes) -> PushAnswer:
        try:
            told = await call(self._client, "POST", endpoint.url, headers=headers, content=body, most=MAX_ANSWER_BYTES)
        except (httpx.HTTPError, httpx.InvalidURL, httpcore.UnsupportedProtocol) as error:
            return PushAnswer(0, reason=type(error).__name__)  # its text may hold the URL
        return PushAnswer(told.status, _retry_after(told.headers.get("Retry-After", ""), self._wall_seconds()))


def _retry_after(text: str, now: float) -> float:
    """Seconds of a header Retry-After, which is a number or a date."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_SECONDS)
    try:
        at = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(at - now, 0.0), MAX_RETRY_SECONDS)


class _PinnedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport, over connections to checked addresses."""

    def __init__(self, services: PushServices) -> None:
        super().__init__()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEPT_SECONDS,
            network_backend=CheckedBackend(services),
        )


_TRIO: Final = cast("httpcore.AsyncNetworkBackend", httpcore.TrioBackend())  # typed only where trio is installed


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the addresses of a name that PushServices lets pass: to the very one that was checked."""

    def __init__(self, services: PushServices, network: httpcore.AsyncNetworkBackend = _TRIO) -> None:
        self._services = services
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """See AsyncNetworkBackend. Raises httpcore.ConnectError where no address of the name may be connected to."""
        try:
            found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = [str(info[4][0]) for info in found if self._services.may_connect(host, port, str(info[4][0]))]
        failure = httpcore.ConnectError("the name has no address that may be connected to")
        for address in dict.fromkeys(addresses):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """See AsyncNetworkBackend."""
        await trio.sleep(seconds)
