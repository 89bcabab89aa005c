"""What may be written over HTTP how fast: the rates of the chat, per user and address, and the client that waits them out."""

import io
import json
from typing import Any

import httpx
import pytest
import trio
from support.http_kit import error_of, open_http, quick, url_of
from support.server_kit import PASSWORD

from chatsrv.app import open_server
from chatsrv.client import RequestRefused, Unreachable, open_client
from chatsrv.client.transfers import transfers
from chatsrv.client.transfers.transfers import _Later, _Pauses, _refusal
from chatsrv.http_calls import HttpResponse

TUS = {"tus-resumable": "1.0.0"}
SLOW = 0.001
"""A second: nothing comes back while a test runs."""


async def test_a_user_has_one_budget_for_http_and_the_chat() -> None:
    async with open_http("ann", "bob", changes_per_second=SLOW, change_burst=4) as (_, ann, bob):
        await ann.chat.make_group("g")
        media_id = await ann.medium(b"one")
        begun = await ann.http.post("/uploads", headers={**ann.auth, **TUS, "upload-length": "2"})
        assert begun.status_code == 201
        assert (await ann.upload(b"two")).status_code == 201
        refused = await ann.upload(b"three")
        assert (refused.status_code, error_of(refused)) == (429, "rate_limited")
        assert 1 < int(refused.headers["retry-after"]) <= 1000
        refused = await ann.http.post("/uploads", headers={**ann.auth, **TUS, "upload-length": "2"})
        assert (refused.status_code, error_of(refused)) == (429, "rate_limited")
        place = begun.headers["location"]
        assert (await ann.http.delete(place, headers={**ann.auth, **TUS})).status_code == 429
        assert (await ann.http.head(place, headers={**ann.auth, **TUS})).status_code == 200, "pieces are no changes"
        piece = {"upload-offset": "0", "content-type": "application/offset+octet-stream"}
        done = await ann.http.patch(place, content=b"ab", headers={**ann.auth, **TUS, **piece})
        assert done.status_code == 204
        for _ in range(10):
            assert (await ann.get(f"/media/{media_id}")).content == b"one", "reading is free"
        assert (await bob.upload(b"bob's")).status_code == 201


async def test_pieces_are_counted_as_messages() -> None:
    async with open_http("ann", messages_per_second=SLOW, message_burst=2) as (_, ann):
        headers = {**ann.auth, **TUS}
        place = (await ann.http.post("/uploads", headers={**headers, "upload-length": "9"})).headers["location"]
        piece = {**headers, "content-type": "application/offset+octet-stream"}
        for offset in (0, 1):
            answer = await ann.http.patch(place, content=b"x", headers={**piece, "upload-offset": str(offset)})
            assert answer.status_code == 204
        refused = await ann.http.patch(place, content=b"x", headers={**piece, "upload-offset": "2"})
        assert (refused.status_code, error_of(refused)) == (429, "rate_limited")


@pytest.mark.parametrize("trusted", [(), ("127.0.0.1",)])
async def test_an_address_has_a_budget_and_a_trusted_proxy_says_whose(trusted: Any) -> None:
    settings: dict[str, Any] = {"address_per_second": SLOW, "address_burst": 2, "trusted_proxies": trusted}
    settings["allow_plaintext"] = True  # who comes through a proxy that is not trusted is from afar
    async with open_http("ann", "bob", **settings) as (_, ann, bob):
        told = {"x-forwarded-for": "203.0.113.9, 192.0.2.7"}
        for person in (ann, bob):
            assert (await person.upload(b"x", **told)).status_code == 201
        refused = await ann.upload(b"x", **told)
        assert (refused.status_code, error_of(refused)) == (429, "rate_limited")
        other = await ann.upload(b"x", **{"x-forwarded-for": "203.0.113.9, 192.0.2.8"})
        assert other.status_code == (201 if trusted else 429)


async def test_the_client_waits_as_long_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def rest(_: _Pauses, error: BaseException) -> None:
        assert isinstance(error, _Later)
        waited.append(error.seconds)
        await trio.sleep(0.002)

    monkeypatch.setattr(transfers._Pauses, "rest", rest)
    async with (
        open_server(quick(changes_per_second=1000, change_burst=1)) as server,
        open_client(url_of(server, "tcp")) as ann,
    ):
        await ann.register("ann", PASSWORD)
        for number in range(20):
            assert await ann.media.upload(io.BytesIO(b"%d" % number))
    assert set(waited) <= {1.0}


def told(status: int, after: str = "", code: str = "rate_limited") -> HttpResponse:
    body = json.dumps({"error": code, "message": "wait", "field": None}).encode()
    return HttpResponse(status, httpx.Headers({"retry-after": after} if after else {}), body)


async def test_pauses(autojump_clock: trio.testing.MockClock) -> None:
    pauses = _Pauses()
    for expected in (7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 12.8):
        before = trio.current_time()
        later = _refusal(told(429, "7"))
        assert isinstance(later, _Later)
        await pauses.rest(later)
        assert trio.current_time() - before == pytest.approx(expected)
    with pytest.raises(RequestRefused) as refused:
        await pauses.rest(_Later(RequestRefused("rate_limited", "wait"), 1))
    assert refused.value.code == "rate_limited"

    later = _refusal(told(429, "3600"))
    assert isinstance(later, _Later)
    with pytest.raises(RequestRefused) as refused:
        await _Pauses().rest(later)
    assert refused.value.retry_after == 3600

    silent = _refusal(HttpResponse(502, httpx.Headers({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}), b"<html>"))
    assert isinstance(silent, _Later)
    assert silent.seconds == 0
    assert isinstance(silent.refused, Unreachable)
    assert isinstance(_refusal(told(413, code="media_too_large")), RequestRefused)
