"""Serving the built page: names, caches, packing, headers, and what is said where there is no page or no login."""

import gzip
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.web_kit import Site, open_site

from chatsrv.http import page_app
from chatsrv.http.page_app import NOT_BUILT, read_build

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types chatsrv"
)
SECURITY = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(self), microphone=(self), geolocation=(self)",
}
FILES = {
    "index.html": b"<!doctype html><title>chat</title>" + b" " * 2000,
    "app-4KD7WQ2M.js": b"export const answer = 42;" * 100,
    "chunks/wallet-ABCDEFGH.js": b"wallet",
    "beat.js": b"onmessage = 0;",
    "style-ZZZZ2222.css": b"body{}",
    "icon.svg": b"<svg/>",
    "icon.png": b"\x89PNG",
    "manifest.webmanifest": b"{}",
    ".digest": b"secret",
    "source.map": b"secret",
}


def make_page(folder: Path) -> Path:
    for name, body in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


@asynccontextmanager
async def open_page(folder: Path, monkeypatch: pytest.MonkeyPatch, host: str = "", **more: Any) -> AsyncGenerator[Site]:
    """A site whose page is what lies in the folder."""
    monkeypatch.setattr(page_app, "FOLDER", folder)
    async with open_site(host, **more) as site:
        yield site


async def test_the_page_and_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_page(make_page(tmp_path), monkeypatch) as site:
        for path in ("/", "/index.html", "/operator", "/?x=1"):
            answer = await site.ask("GET", path)
            assert (answer.status, answer.body) == (200, FILES["index.html"])
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
        for name, mime in (
            ("app-4KD7WQ2M.js", "text/javascript; charset=utf-8"),
            ("chunks/wallet-ABCDEFGH.js", "text/javascript; charset=utf-8"),
            ("style-ZZZZ2222.css", "text/css; charset=utf-8"),
        ):
            answer = await site.ask("GET", f"/{name}")
            assert (answer.status, answer.body, answer.headers["content-type"]) == (200, FILES[name], mime)
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        for name in ("beat.js", "icon.svg", "icon.png", "manifest.webmanifest"):
            answer = await site.ask("GET", f"/{name}")
            assert (answer.status, answer.body) == (200, FILES[name])
            assert answer.headers["cache-control"] == "no-cache"
            again = await site.ask("GET", f"/{name}", f"If-None-Match: {answer.headers['etag']}")
            assert (again.status, again.body) == (304, b"")


async def test_it_travels_packed_to_whom_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_page(make_page(tmp_path), monkeypatch) as site:
        name = "app-4KD7WQ2M.js"
        for accepted, packed in (
            ("gzip, br", True),
            ("*", True),
            ("br", False),
            ("gzip;q=0", False),
            ("gzip;q=0.5", True),
        ):
            answer = await site.ask("GET", f"/{name}", f"Accept-Encoding: {accepted}")
            assert answer.headers["vary"] == "accept-encoding"
            assert answer.headers.get("content-encoding") == ("gzip" if packed else None), accepted
            assert (gzip.decompress(answer.body) if packed else answer.body) == FILES[name]
        picture = await site.ask("GET", "/icon.png", "Accept-Encoding: gzip")
        assert "content-encoding" not in picture.headers
        head = await site.ask("HEAD", "/", "Accept-Encoding: gzip")
        assert (head.status, head.body) == (200, b"")
        assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        *("/.digest", "/source.map", "/../page_app.py", "/%2e%2e/page_app.py", "//etc/passwd", "/chunks", "/chunks/"),
        *("/nothing", "/app-4KD7WQ2M.js/", "/%00", "/index.html%00.js", "/mediax", "/session/x", "/uploadsx"),
    ],
)
async def test_nothing_else_is_served(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_page(make_page(tmp_path), monkeypatch) as site:
        answer = await site.ask("GET", path)
        assert answer.status == 404
        assert SECURITY.items() <= answer.headers.items()


@pytest.mark.parametrize("path", ["/", "/app-4KD7WQ2M.js", "/nothing"])
@pytest.mark.parametrize("built", [True, False])
async def test_every_page_has_the_headers(
    path: str, *, built: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_page(tmp_path) if built else tmp_path
    async with open_page(folder, monkeypatch) as site:
        for method in ("GET", "POST"):
            answer = await site.ask(method, path)
            assert SECURITY.items() <= answer.headers.items()
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_media_of_a_store_elsewhere_are_named_in_the_policy(tmp_path: Path) -> None:
    headers = page_app.security_headers(page_app.origin_of("https://s3.example:9000/bucket/x"))
    assert "img-src 'self' blob: https://s3.example:9000;" in headers["content-security-policy"]
    assert page_app.security_headers()["content-security-policy"] == POLICY
    assert page_app.origin_of("") == ""


async def test_where_nothing_is_built_a_sentence_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_page(tmp_path, monkeypatch) as site, site.page() as page:
        answer = await site.ask("GET", "/")
        assert answer.status == 503
        assert b"make page" in answer.body
        assert (await page.hello()).page == NOT_BUILT
        make_page(tmp_path)
        assert (await site.ask("GET", "/")).status == 200, "a build shows without a restart"
        async with site.page() as other:
            assert (await other.hello()).page == read_build(tmp_path).digest  # type: ignore[union-attr]


async def test_a_new_build_has_another_digest_and_shows_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_page(make_page(tmp_path), monkeypatch) as site:
        async with site.page() as page:
            before = (await page.hello()).page
        (tmp_path / "app-4KD7WQ2M.js").write_bytes(b"other")
        os.utime(tmp_path / "index.html", ns=(1, 1))
        assert (await site.ask("GET", "/app-4KD7WQ2M.js")).body == b"other"
        async with site.page() as page:
            after = (await page.hello()).page
        assert len(before) == len(after) == 32
        assert before != after


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example", "a b"])
async def test_under_a_name_that_is_not_ours_there_is_no_page(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_page(make_page(tmp_path), monkeypatch, names="chat.example") as site:
        answer = await site.ask("GET", "/", host=host)
        assert answer.status == 421
        for known in ("chat.example", "CHAT.example.:81", "localhost", "[::1]:1", "192.0.2.1"):
            assert (await site.ask("GET", "/", host=known)).status == 200


async def test_from_afar_in_the_clear_a_page_says_why_there_is_no_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, tls = "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https"
    proxy: dict[str, Any] = {"trusted_proxies": "127.0.0.1", "http_url": 'https://media.example/"><script>'}
    async with open_page(make_page(tmp_path), monkeypatch, **proxy) as site:
        answer = await site.ask("GET", "/", far)
        assert answer.status == 403
        assert b"needs TLS" in answer.body
        assert b"&quot;&gt;&lt;script&gt;" in answer.body
        assert b"<script" not in answer.body
        assert SECURITY.items() <= answer.headers.items()
        assert (await site.ask("GET", "/", far, tls)).status == 200
        assert (await site.ask("GET", "/", "X-Forwarded-For: 127.0.0.2")).status == 200
    async with open_page(tmp_path, monkeypatch, allow_plaintext=True, trusted_proxies="127.0.0.1") as site:
        assert (await site.ask("GET", "/", far, "Sec-Fetch-Site: none")).status == 200, "the operator allows it"
        assert (await site.ask("GET", "/", far)).status == 403, "a browser in the clear would get no session"
