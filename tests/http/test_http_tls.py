"""Media over https: the whole way with the client, the command line and two other HTTP clients, and whom they trust."""

import io
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import support.media_files
import trio
from support.cli_kit import Shell, serving_here
from support.http_kit import quick, stdlib_request, url_of
from support.server_kit import PASSWORD, port_of
from support.tls_kit import Certificates, issue

from chatsrv.app import Server, open_server
from chatsrv.client import Client, Unreachable, open_client
from chatsrv.config import Address


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("tls"))


def settings(certificates: Certificates) -> dict[str, Any]:
    return {
        "http": None,
        "https": Address("127.0.0.1", 0),
        "tls_cert": str(certificates.cert),
        "tls_key": str(certificates.key),
    }


@asynccontextmanager
async def open_ann(certificates: Certificates, **trust: Any) -> AsyncGenerator[tuple[Server, Client]]:
    config = attrs.evolve(quick(), **settings(certificates))
    async with open_server(config) as server, open_client(url_of(server, "tcp"), **trust) as ann:
        await ann.register("ann", PASSWORD)
        yield server, ann


async def test_up_and_down(certificates: Certificates) -> None:
    picture, much = support.media_files.picture(), bytes(range(251)) * 40_000
    async with open_ann(certificates, ca_file=certificates.authority) as (_, ann):
        for data in (picture, much):
            media_id = await ann.media.upload(io.BytesIO(data))
            pieces: list[bytes] = []
            assert await ann.media.download(media_id, pieces.append) == len(data)
            assert b"".join(pieces) == data
        access = await ann.http_access()
        assert access.base.startswith("https://127.0.0.1:")
        auth = {"authorization": f"Bearer {access.token.hex()}"}
        async with httpx.AsyncClient(base_url=access.base, verify=certificates.trusting, timeout=60) as browser:
            media_id = int((await browser.post("/media", content=picture, headers=auth)).json()["id"])
            urls = await ann.media.urls(media_id)
            assert urls.url.startswith("https://")
            assert (await browser.get(urls.url)).content == picture
        request = partial(
            stdlib_request, access.base, "GET", f"/media/{media_id}", None, auth, tls=certificates.trusting
        )
        assert (await trio.to_thread.run_sync(request))[2] == picture


@pytest.mark.parametrize("wrong", ["nobody", "another name"])
async def test_an_untrusted_certificate_is_said_at_once(wrong: str, tmp_path: Path, certificates: Certificates) -> None:
    issued, trust = certificates, {}
    if wrong == "another name":
        issued = issue(tmp_path, "chat.example")
        trust = {"ca_file": issued.authority}
    said = "not valid for '127.0.0.1'" if wrong == "another name" else "unable to get local issuer certificate"
    async with open_ann(issued, **trust) as (server, ann):
        with trio.fail_after(120), pytest.raises(Unreachable, match=f"not trusted: .*{said}"):
            await ann.media.upload(io.BytesIO(b"secret"))
        with trio.fail_after(120), pytest.raises(Unreachable, match="not trusted"):
            await ann.media.download(1, tmp_path / "x")
        assert not (tmp_path / "x").exists()
        assert server.services.library is not None
        async with open_client(url_of(server, "tcp"), insecure=True) as careless:
            await careless.login("ann", PASSWORD)
            assert await careless.media.upload(io.BytesIO(b"x"))


async def test_what_is_no_tls_hurts_nobody_else(certificates: Certificates) -> None:
    async with open_ann(certificates, tls=certificates.trusting) as (server, ann):
        port = port_of(url_of(server, "https"))
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(trio.BrokenResourceError):
                while await stream.receive_some():
                    pass
                raise trio.BrokenResourceError
        async with await trio.open_tcp_stream("127.0.0.1", port):
            assert await ann.media.upload(io.BytesIO(b"while another is silent"))


async def test_a_silent_handshake_ends(certificates: Certificates) -> None:
    config = attrs.evolve(quick(handshake_timeout=0.1), **settings(certificates))
    async with (
        open_server(config) as server,
        await trio.open_tcp_stream("127.0.0.1", port_of(url_of(server, "https"))) as stream,
    ):
        with trio.fail_after(120):
            assert await stream.receive_some() == b""


def test_on_the_command_line(certificates: Certificates, tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    picture.write_bytes(support.media_files.picture())
    with serving_here(tmp_path / "data", **settings(certificates)) as url:
        ann = Shell(tmp_path, url).register("ann")
        ann.call("group", "create", "home")
        trusting: Any = {"CHATSRV_CA_FILE": str(certificates.authority)}
        ann.call("send", "home", "--file", str(picture), **trusting)
        (listed,) = ann.call("media", "list", "home", "--json").records
        out = tmp_path / "out.png"
        ann.call("media", "get", listed["media"]["id"], "-o", str(out), **trusting)
        assert out.read_bytes() == picture.read_bytes()
        refused = ann.call("send", "home", "--file", str(picture), code=3).err
        assert "its certificate is not trusted" in refused
        assert "CHATSRV_CA_FILE" in refused


async def test_a_token_comes_in_the_clear_from_loopback_only_unless_the_operator_says_so(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatsrv.auth.addresses.is_loopback", lambda _: False)
    forwarded = {"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https"}
    both = {**settings(certificates), "http": Address("127.0.0.1", 0)}
    for plain, more, headers in (
        (403, {}, {}),
        (201, {"allow_plaintext": True}, {}),
        (201, {"trusted_proxies": ("127.0.0.1",)}, forwarded),
        (403, {"trusted_proxies": ("127.0.0.1",)}, {"x-forwarded-for": "192.0.2.7"}),
        (403, {}, forwarded),
    ):
        config = attrs.evolve(quick(), **both, **more)
        async with open_server(config) as server, open_client(url_of(server, "tcp"), insecure=True) as ann:
            await ann.register("ann", PASSWORD)
            access = await ann.http_access()
            assert access.base.startswith("https"), "where there are both, clients are told the safe one"
            auth = {"authorization": f"Bearer {access.token.hex()}", **headers}
            for scheme, status in (("http", plain), ("https", 201)):
                async with httpx.AsyncClient(
                    base_url=url_of(server, scheme), verify=certificates.trusting, timeout=60
                ) as http:
                    answer = await http.post("/media", content=b"x", headers=auth)
                    assert answer.status_code == status
                    assert (status == 201) or answer.json()["error"] == "plaintext_refused"
