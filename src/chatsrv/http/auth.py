"""Who asks: the session's token in a header or in the cookie of our own page, or a signed ticket in the URL. The token
itself never stands in a URL.

Whoever writes pays from the rates of their user and address, the same that the commands of the chat take from.
"""

import re
from collections.abc import Collection
from typing import Final

import trio
from starlette.requests import Request

from chatsrv.auth.addresses import ClientAddress, client_of
from chatsrv.auth.rates import Cost, Rates, source_of
from chatsrv.auth.sites import Sites, browser_of, cookie_token
from chatsrv.clock import Clock
from chatsrv.commands.hooks import Hooks, TextContext, TextKind
from chatsrv.media.signed_urls import Bearer, Tickets
from chatsrv_storage.accounts import sessions
from chatsrv_storage.accounts.accounts import names_of
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection, Storage

_BEARER: Final = re.compile(r"bearer ([0-9a-f]{64})", re.ASCII | re.IGNORECASE)


class Callers:
    """Finds the session of a request; each look-up reads the session, so that a logout counts at once."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        tickets: Tickets,
        rates: Rates,
        trusted_proxies: Collection[str],
        sites: Sites,
        *,
        allow_plaintext: bool,
        hooks: Hooks,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._tickets = tickets
        self._rates = rates
        self._trusted_proxies = trusted_proxies
        self._sites = sites
        self._allow_plaintext = allow_plaintext
        self._hooks = hooks

    async def by_token(self, request: Request) -> Bearer:
        """Return the session as `by_header` does where there is such a header, else as `by_cookie`. Raises Refusal."""
        if "authorization" not in request.headers and "cookie" in request.headers:
            return await self.by_cookie(request)
        return await self.by_header(request)

    async def by_header(self, request: Request) -> Bearer:
        """Return the session of `Authorization: Bearer TOKEN` (64 hex digits). Raises Refusal.

        As a password, it is taken over TLS, from this machine, or from a trusted proxy that says it ended TLS.
        """
        match = _BEARER.fullmatch(request.headers.get("authorization", ""))
        token = bytes.fromhex(match[1]) if match is not None else None
        sentence = "log in: send the header Authorization: Bearer TOKEN"
        return await self._session(request, token, "authorization", sentence)

    async def by_cookie(self, request: Request) -> Bearer:
        """Return the session that the cookie of the server's own page names. Raises Refusal.

        It counts only for a page of this very origin, by `Sec-Fetch-Site` (SameSite alone would let in pages on other ports of
        this host), and for an address that somebody typed; and only under a host name of this server.
        """
        browser = browser_of(request.headers.raw, self.scheme(request))
        site = request.headers.get("sec-fetch-site")
        ours = site == "same-origin" or (site == "none" and request.method == "GET")
        if not ours or browser is None or not self._sites.knows(browser.host):
            raise Refusal("session_ended", "the cookie counts on the server's own page only", "cookie")
        token = cookie_token(request.headers.raw, browser)
        return await self._session(request, token, "cookie", "log in: there is no cookie of this server")

    async def _session(self, request: Request, token: bytes | None, field: str, sentence: str) -> Bearer:
        if not (self.client(request).secure or request.scope["scheme"] == "https" or self._allow_plaintext):
            raise Refusal("plaintext_refused", "tokens travel only over TLS or loopback: use https://", field)
        if token is None:
            raise Refusal("session_ended", sentence, field)
        now_ms, source = self._clock.now_ms(), source_of(self.client(request).host)
        session_id, user_id = await self._storage.read(lambda conn: sessions.resume(conn, token, now_ms), source)
        return Bearer(user_id, session_id)

    async def writer(self, request: Request, cost: Cost) -> Bearer:
        """Return the session as `by_token` does, for a request that counts against the rates. Raises Refusal, rate_limited too."""
        bearer = await self.by_token(request)
        source = self.client(request).host
        now = trio.current_time()
        wait = self._rates.meter(bearer.user_id, source, now).take(cost, now)
        if wait:
            raise Refusal("rate_limited", "too much at once: wait a moment, then retry", retry_after=wait)
        return bearer

    async def check_file_name(self, request: Request, bearer: Bearer, name: str) -> None:
        """Ask the embedding program about the name of an upload. Raises Refusal where it objects."""
        hook = self._hooks.text
        if hook is None or not name:
            return
        names = await self._storage.read(lambda conn: names_of(conn, [bearer.user_id]), bearer.user_id)
        context = TextContext(bearer.user_id, names[bearer.user_id], bearer.session_id, self.client(request).host, 0)
        objection = await hook(TextKind.FILE_NAME, name, context)
        if objection is not None:
            raise Refusal("message_refused", objection, "name")

    async def for_medium(self, request: Request, media_id: int, variant: str) -> Bearer:
        """Return the session as `by_token` does, or by the ticket for this variant of this medium. Raises Refusal."""
        ticket = request.query_params.get("ticket")
        if ticket is None:
            return await self.by_token(request)
        bearer = self._tickets.check(ticket, media_id, variant, self._clock.now_ms())
        if bearer is None or not await self._storage.read(lambda conn: _lives(conn, bearer), bearer.user_id):
            raise Refusal("session_ended", "this URL is no longer good: ask for a new one", "ticket")
        return bearer

    def scheme(self, request: Request) -> str:
        """Return how the browser reaches the server: `https` where it, or trusted proxies, end TLS."""
        return "https" if request.scope["scheme"] == "https" or self.client(request).encrypted else "http"

    def client(self, request: Request) -> ClientAddress:
        """Return where a request comes from."""
        peer = "gone" if request.client is None else request.client.host
        return client_of(request.headers.raw, peer, self._trusted_proxies)


def _lives(conn: SqlConnection, bearer: Bearer) -> bool:
    return any(session.session_id == bearer.session_id for session in sessions.of_user(conn, bearer.user_id))
