"""Reverse proxies for tests: nginx, Caddy and HAProxy as processes, with the configurations of docs/proxies.

A configuration is used as it is written there; only addresses, ports and names of files are replaced, and each of them has
to occur in it.
"""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import trio
import trio_websocket

from chatsrv_protocol import limits
from support.chromium import require
from support.page_kit import ROOT
from support.ports import free_port_numbers
from support.server_kit import Client, WebSocketPipe
from support.tls_kit import Certificates
from support.web_kit import UPGRADE

DOCS = ROOT / "docs" / "proxies"
HOST = "chat.example"
"""The name in all configurations."""

BACKEND = "127.0.0.1:7080"
"""The server's address in all configurations."""

START_SECONDS = 60

ATTEMPTS = 5
"""Starts, since a port that was free may be taken by somebody else meanwhile."""

PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
"""Debian has servers where a user's PATH may not look."""


@attrs.frozen
class Ports:
    """Free ports on 127.0.0.1."""

    http: int
    https: int


@attrs.frozen
class Proxy:
    """A proxy that runs, in front of one server."""

    kind: str
    ports: Ports
    authority: Path
    """The certificate of the authority that its clients have to trust, PEM."""

    @property
    def netloc(self) -> str:
        return f"{HOST}:{self.ports.https}"

    @property
    def origin(self) -> str:
        return f"https://{self.netloc}"

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)

    @asynccontextmanager
    async def browse(self) -> AsyncGenerator[httpx.AsyncClient]:
        """An HTTP client that finds the name at the proxy."""
        trio.socket.set_custom_hostname_resolver(Resolver())
        async with httpx.AsyncClient(base_url=self.origin, verify=self.tls(), timeout=60) as client:
            yield client

    @asynccontextmanager
    async def connect(self, source: str = "127.0.0.1") -> AsyncGenerator[trio.SSLStream[trio.SocketStream]]:
        """A TLS connection from a loopback address, for HTTP/1.1."""
        raw = await trio.open_tcp_stream("127.0.0.1", self.ports.https, local_address=source)
        try:
            yield trio.SSLStream(raw, self.tls(), server_hostname=HOST)
        finally:
            await trio.aclose_forcefully(raw)

    @asynccontextmanager
    async def dial(self, source: str = "127.0.0.1", **headers: str) -> AsyncGenerator[Client]:
        """The chat's WebSocket, from a loopback address."""
        lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        async with self.connect(source) as stream, trio.open_nursery() as nursery:
            websocket = await trio_websocket.wrap_client_stream(
                nursery, stream, self.netloc, "/chat", subprotocols=[limits.SUBPROTOCOL], extra_headers=lines
            )
            yield Client(WebSocketPipe(websocket))
            nursery.cancel_scope.cancel()

    async def upgrade_status(self, *lines: str) -> int:
        """How a WebSocket's handshake with these headers is answered."""
        head = ["GET /chat HTTP/1.1", f"Host: {self.netloc}", *UPGRADE, *lines]
        async with self.connect() as stream:
            await stream.send_all("\r\n".join([*head, "", ""]).encode())
            heard = b""
            while b"\r\n" not in heard:
                heard += await stream.receive_some()
        return int(heard.split()[1])


class Resolver(trio.abc.HostnameResolver):
    """Finds the name of the configurations on this machine, and nothing else by name."""

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: Any,
        family: int = 0,
        type: int = 0,  # noqa: A002  # its name in trio
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        known = "127.0.0.1" if host == HOST.encode() else host
        return socket.getaddrinfo(known, port, family, type, proto, flags | socket.AI_NUMERICHOST)

    async def getnameinfo(self, sockaddr: Any, flags: int) -> Any:
        return socket.getnameinfo(sockaddr, flags | socket.NI_NUMERICHOST)


def replaced(name: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A configuration of docs/proxies with other addresses and files."""
    text = (DOCS / name).read_text()
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")) + "\n"
    for old, new in pairs:
        assert old in code, f"{name} has no {old!r}"
        code = code.replace(old, new)
    return code


@attrs.frozen
class Files:
    """What a proxy is started with."""

    folder: Path
    backend: str
    ports: Ports
    certificates: Certificates


def _nginx(files: Files) -> tuple[list[str], str]:
    folder, ports = files.folder, files.ports
    site = replaced(
        "nginx.conf",
        [
            ("    listen [::]:80;\n", ""),
            ("    listen [::]:443 ssl http2;\n", ""),
            ("listen 80;", f"listen 127.0.0.1:{ports.http};"),
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{ports.https} ssl http2;"),
            ("/etc/letsencrypt/live/chat.example/fullchain.pem", str(files.certificates.cert)),
            ("/etc/letsencrypt/live/chat.example/privkey.pem", str(files.certificates.key)),
            (BACKEND, files.backend),
        ],
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    main = (
        f"{user} daemon off; pid {folder / 'pid'}; error_log stderr notice; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder / 'site.conf'}; }}\n"
    )
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(main)
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")], "start worker process"


def _haproxy(files: Files) -> tuple[list[str], str]:
    pem = files.folder / "both.pem"
    pem.write_text(files.certificates.cert.read_text() + files.certificates.key.read_text())
    text = replaced(
        "haproxy.cfg",
        [
            ("log /dev/log local0", "log stderr format raw local0"),
            ("bind :80\n", f"bind 127.0.0.1:{files.ports.http}\n"),
            ("bind :443 ", f"bind 127.0.0.1:{files.ports.https} "),
            ("/etc/haproxy/chat.example.pem", str(pem)),
            (BACKEND, files.backend),
        ],
    )
    (files.folder / "haproxy.cfg").write_text(text)
    return ["haproxy", "-W", "-db", "-f", str(files.folder / "haproxy.cfg")], "Loading success"


def _caddy(files: Files, name: str, certificate: str) -> tuple[list[str], str]:
    ports = files.ports
    options = f"{{\n admin off\n skip_install_trust\n http_port {ports.http}\n https_port {ports.https}\n}}\n"
    pairs = [
        (BACKEND, files.backend),
        (f"{HOST} {{\n", f"{HOST} {{\n bind 127.0.0.1\n{certificate}"),
    ]
    (files.folder / "Caddyfile").write_text(options + replaced(name, pairs))
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(files.folder / "Caddyfile")]
    return command, "serving initial configuration"


def _caddy_public(files: Files) -> tuple[list[str], str]:
    # An authority on the internet would not answer here: the certificate is brought along.
    given = files.certificates
    return _caddy(files, "Caddyfile", f" tls {given.cert} {given.key}\n")


def _caddy_home(files: Files) -> tuple[list[str], str]:
    return _caddy(files, "Caddyfile.home", "")


STARTERS: dict[str, Callable[[Files], tuple[list[str], str]]] = {
    "nginx": _nginx,
    "caddy": _caddy_public,
    "caddy at home": _caddy_home,
    "haproxy": _haproxy,
}


@contextmanager
def open_proxy(kind: str, folder: Path, url: str, certificates: Certificates) -> Generator[Proxy]:
    """Run a proxy in front of the server at `url`, with a certificate for `HOST`."""
    program = kind.partition(" ")[0]
    found = shutil.which(program, path=PATH)
    require(f"Debian's {'nginx-light' if program == 'nginx' else program}", found)
    assert found is not None
    for attempt in range(ATTEMPTS):
        place = folder / f"{program}-{attempt}"
        place.mkdir(parents=True)
        files = Files(place, url.partition("://")[2], free_ports(), certificates)
        (_, *arguments), ready = STARTERS[kind](files)
        with _running([found, *arguments], ready, place) as started:
            if not started:
                continue
            root = place / "data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
            proxy = Proxy(kind, files.ports, root if kind == "caddy at home" else certificates.authority)
            _wait_for_tls(proxy)
            yield proxy
            return
    logs = [(folder / f"{program}-{attempt}" / "log").read_text() for attempt in range(ATTEMPTS)]
    pytest.fail(f"{program} does not start: {logs}")


def _wait_for_tls(proxy: Proxy) -> None:
    """Until a handshake for the name succeeds: Caddy makes its certificate some time after it says that it serves."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with (
                socket.create_connection(("127.0.0.1", proxy.ports.https), timeout=START_SECONDS) as raw,
                proxy.tls().wrap_socket(raw, server_hostname=HOST),
            ):
                return
        except OSError as error:  # an SSLError is one, and so is an authority that is not written yet
            if time.monotonic() > deadline:
                pytest.fail(f"no TLS at {proxy.netloc}: {error}")
        time.sleep(0.05)


@contextmanager
def _running(command: list[str], ready: str, folder: Path) -> Generator[bool]:
    """Start a process, and wait for the line by which it says that it is ready; False: it ended before."""
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder / "data")}
    environment["XDG_CONFIG_HOME"] = str(folder / "config")
    log = folder / "log"
    with (
        log.open("w") as kept,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as ran,
    ):
        try:
            assert ran.stdout is not None
            yield any(ready in line for line in _copied(ran.stdout, kept))
        finally:
            ran.terminate()
            ran.communicate(timeout=30)


def _copied(lines: Any, log: Any) -> Generator[str]:
    for line in lines:
        log.write(line)
        log.flush()
        yield line


def free_ports() -> Ports:
    """Two ports that nobody listens on now."""
    return Ports(*free_port_numbers(2))
