"""The server's own web page: the files of the folder `page` beside this module, as the wheel's build leaves them there.

What the build has to keep: `index.html` is written last; a name with a hash in it (`app-4KD7WQ2M.js`) never gets other
content; nothing lies in folders that begins with a dot. Files with a hash are cached for ever, all others are asked for
each time, and `index.html` is stored nowhere. Without a build, a plain sentence says how to make one.
"""

import gzip
import hashlib
import html
import re
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from chatsrv.auth.sites import Sites, browser_of
from chatsrv.http.auth import Callers
from chatsrv.metrics import Metrics

FOLDER: Final = Path(__file__).parent / "page"
INDEX: Final = "index.html"
NOT_BUILT: Final = "none"
"""The digest of a page that is not there."""

VIEWS: Final = ("/", "/index.html", "/operator")
"""Paths at which the page itself is; what it shows there is its own business."""

_HASHED: Final = re.compile(r"[-.][0-9A-Za-z]{8,}\.\w+$", re.ASCII)
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
"""Other files are not served."""

_PACKED: Final = frozenset((".html", ".js", ".css", ".json", ".webmanifest", ".svg", ".txt"))

HOW_TO_BUILD: Final = (
    "The page is not built here. In a copy of the source: make page (or pip install -e . with Node.js 20 or newer).\n"
    "An installed wheel has it. The chat and media work without it.\n"
)

PLAINTEXT: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>No TLS</title></head>
<body><h1>This page needs TLS</h1>
<p>You came over plain HTTP from another machine: everybody between could read your password and your messages, so there is
no login here. A browser gives such a page no microphone, no notifications and no safe random numbers either.</p>
<p>{where}</p>
<p>For whoever runs this server: put Caddy before it, or give it a certificate (<code>--https</code>, <code>--tls-cert</code>,
<code>--tls-key</code>); see "TLS at home" in docs/web.md. On the machine itself, http://127.0.0.1 works as it is.</p>
<h1 lang="zh">此页面需要 TLS</h1>
<p lang="zh">您正通过未加密的 HTTP 从另一台机器访问:途中任何人都能看到您的密码和消息,因此这里不能登录。请改用 https 地址,
或请管理员按 docs/web.md 的说明配置 TLS。</p>
</body></html>
"""


def security_headers(media_origin: str = "") -> dict[str, str]:
    """Return the headers of every page. `media_origin`: where media come from, if a store gives them itself."""
    elsewhere = f" {media_origin}" if media_origin else ""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' blob:{elsewhere}",
        "media-src": f"'self' blob:{elsewhere}",
        "connect-src": f"'self'{elsewhere}",
        "manifest-src": "'self'",
        "worker-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "chatsrv",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "permissions-policy": "camera=(self), microphone=(self), geolocation=(self)",
    }


def origin_of(url: str) -> str:
    """Return `scheme://host[:port]` of a URL; "" for none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""


@attrs.frozen(slots=True)
class File:
    """One file, in memory: some hundred KB altogether."""

    body: bytes
    packed: bytes | None
    mime: str
    etag: str
    cache: str


@attrs.frozen(slots=True)
class Build:
    """What a build left: files by path, and a digest that differs where any of them does."""

    files: dict[str, File]
    digest: str


def read_build(folder: Path) -> Build | None:
    """Read a folder; None where there is no `index.html`. Raises OSError."""
    if not (folder / INDEX).is_file():
        return None
    files: dict[str, File] = {}
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix not in _TYPES or not path.is_file() or any(part.startswith(".") for part in name.split("/")):
            continue
        body = path.read_bytes()
        digest = hashlib.sha256(body).hexdigest()
        whole.update(f"{name} {digest}\n".encode())
        packed = gzip.compress(body, 9, mtime=0) if path.suffix in _PACKED else None
        cache = "public, max-age=31536000, immutable" if _HASHED.search(name) else "no-cache"
        files[name] = File(body, packed, _TYPES[path.suffix], digest[:32], "no-store" if name == INDEX else cache)
    return Build(files, whole.hexdigest()[:32])


class BuiltPage:
    """The built page. It is read again when `index.html` has changed, so that a build shows at the next reload."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or FOLDER
        self._seen: int | None = None
        self._build: Build | None = None

    def build(self) -> Build | None:
        """Return what is built now; None for nothing. It checks one file, and takes some 20 ms when that has changed.

        While a build replaces files, what was there before is served.
        """
        try:
            seen = (self._folder / INDEX).stat().st_mtime_ns
        except FileNotFoundError:
            return self._build
        if seen != self._seen:
            try:
                self._build = read_build(self._folder)
                self._seen = seen
            except OSError:  # a file went while it was read: the next look finds all
                pass
        return self._build

    def digest(self) -> str:
        """Return the value of `Welcome.page`."""
        build = self.build()
        return NOT_BUILT if build is None else build.digest


class PageApp:
    """The handler of everything that no other application of the port has."""

    def __init__(
        self,
        page: BuiltPage,
        callers: Callers,
        sites: Sites,
        metrics: Metrics,
        *,
        allow_plaintext: bool,
        safe_url: str,
        media_origin: str = "",
    ) -> None:
        self._page = page
        self._callers = callers
        self._sites = sites
        self._metrics = metrics
        self._allow_plaintext = allow_plaintext
        self._safe_url = safe_url
        self._headers = security_headers(media_origin)

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        response = self._answer(request)
        response.headers.update(self._headers)
        self._metrics.answered(request.method, response.status_code)
        return response

    def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Method Not Allowed: see Allow\n", 405, {"allow": "GET, HEAD"})
        client, scheme = self._callers.client(request), self._callers.scheme(request)
        browser = browser_of(request.headers.raw, scheme)
        if browser is None or not self._sites.knows(browser.host):
            sentence = "no page of this server is under this name: whoever runs it sets `names`\n"
            return PlainTextResponse(sentence, HTTPStatus.MISDIRECTED_REQUEST, {"cache-control": "no-store"})
        path = request.scope["path"]
        if path in VIEWS and scheme != "https" and not client.secure and not self._may_log_in(request):
            return self._plaintext()
        build = self._page.build()
        if build is None:
            status = HTTPStatus.SERVICE_UNAVAILABLE if path in VIEWS else HTTPStatus.NOT_FOUND
            return PlainTextResponse(HOW_TO_BUILD, status, {"cache-control": "no-store"})
        file = build.files.get(INDEX if path in VIEWS else path.removeprefix("/"))
        if file is None:
            return PlainTextResponse("there is nothing here\n", HTTPStatus.NOT_FOUND, {"cache-control": "no-store"})
        return _file(request, file)

    def _may_log_in(self, request: Request) -> bool:
        """Whether a browser over plain HTTP can log in: it has to say of which site its requests are, for the cookie to count.

        Browsers do so over TLS only: behind a proxy that takes the TLS away and does not say so, but not in the clear.
        """
        return self._allow_plaintext and "sec-fetch-site" in request.headers

    def _plaintext(self) -> Response:
        url = self._safe_url
        link = f'Its safe address is <a href="{html.escape(url)}">{html.escape(url)}</a>.'
        page = PLAINTEXT.replace("{where}", link if url else "Ask for its https address.")
        headers = {"cache-control": "no-store"}
        return Response(page, HTTPStatus.FORBIDDEN, headers, media_type="text/html; charset=utf-8")


def _file(request: Request, file: File) -> Response:
    packed = file.packed if _takes_gzip(request.headers.get("accept-encoding", "")) else None
    etag = f'"{file.etag}{"-gz" if packed else ""}"'
    headers = {"content-type": file.mime, "cache-control": file.cache, "etag": etag}
    if file.packed is not None:
        headers["vary"] = "accept-encoding"
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known:
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    if packed:
        headers["content-encoding"] = "gzip"
    return Response(packed or file.body, HTTPStatus.OK, headers)


def _takes_gzip(header: str) -> bool:
    for element in header.lower().split(","):
        coding, _, weight = element.replace(" ", "").partition(";")
        if coding in ("gzip", "*"):
            return not weight.startswith("q=0") or weight.strip("q=0.") != ""
    return False
