"""The port for browsers behind nginx, Caddy and HAProxy, with the configurations of docs/proxies.

Real processes on loopback. What a browser does with them is in tests/page/test_page_proxies.py.
"""

import io
import re
from collections.abc import Generator
from pathlib import Path

import attrs
import pytest
import trio
from support.page_kit import serve
from support.proxy_kit import HOST, STARTERS, Proxy, Resolver, open_proxy
from support.server_kit import PASSWORD
from support.tls_kit import Certificates, issue

from chatsrv.client import open_client
from chatsrv_protocol.session import Login, ResumeHere

FLAGS = ("--trusted-proxies", "127.0.0.1", "--names", HOST, "--open-registration", "--login-attempts", "1")
QUICK = ("--password-time", "1", "--password-memory", "8")
SPOOFED = "198.51.100.7"


@attrs.frozen
class Backend:
    url: str
    log: Path
    certificates: Certificates


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Generator[Backend]:
    folder = tmp_path_factory.mktemp("proxied")
    with serve(folder / "data", *FLAGS, *QUICK) as (url, _):
        yield Backend(url, folder / "data.log", issue(folder, HOST))


@pytest.fixture(scope="module", params=list(STARTERS))
def proxy(
    backend: Backend, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Generator[Proxy]:
    with open_proxy(request.param, tmp_path_factory.mktemp("proxy"), backend.url, backend.certificates) as opened:
        yield opened


def name_of(proxy: Proxy, what: str) -> str:
    """A name of its own for each proxy, since they share the server."""
    return f"{what}{proxy.kind.replace(' ', '')}"


async def test_the_page_comes_under_the_name_and_under_no_other(proxy: Proxy):
    async with proxy.browse() as browser:
        page = await browser.get("/")
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        assert "trusted-types chatsrv" in page.headers["content-security-policy"]
        assert 'id="app"' in page.text
        other = await browser.get("/", headers={"Host": "evil.example"})
        assert 'id="app"' not in other.text
        plain = await browser.get(f"http://{HOST}:{proxy.ports.http}/x?y=1")
        assert plain.status_code in (301, 308)
        assert plain.headers["location"].startswith(f"https://{HOST}")


async def test_the_chat_and_an_upload_of_some_megabytes_pass(proxy: Proxy):
    big = bytes(range(256)) * 12_000
    trio.socket.set_custom_hostname_resolver(Resolver())
    url = f"wss://{proxy.netloc}"
    async with open_client(url, ca_file=proxy.authority) as ann:
        await ann.register(name_of(proxy, "ann"), PASSWORD)
        access = await ann.http_access()
        assert access.base == proxy.origin, "media are at the address that the client came by"
        media_id = await ann.media.upload(io.BytesIO(big), name="big.bin")
        fetched = bytearray()
        await ann.media.download(media_id, fetched.extend)
        assert fetched == big
        made = await ann.groups.create("Home")
        await ann.group(made.group_id).send_media(media_id)


@pytest.mark.parametrize(("origin", "status"), [("own", 101), ("https://evil.example", 403), ("null", 403)])
async def test_only_the_own_page_may_connect(proxy: Proxy, origin: str, status: int):
    assert await proxy.upgrade_status(f"Origin: {proxy.origin if origin == 'own' else origin}") == status


async def test_the_cookie_is_one_of_the_browsers_own_host(proxy: Proxy):
    async with proxy.browse() as browser, proxy.dial(Origin=proxy.origin) as page:
        await page.register(name_of(proxy, "carl"))
        assert page.me is not None
        bearer = {"Authorization": f"Bearer {page.me.token.hex()}"}
        assert (await browser.post("/session", headers=bearer)).status_code == 403, "not of the page"
        made = await browser.post("/session", headers={**bearer, "Sec-Fetch-Site": "same-origin"})
        assert made.status_code == 204
        cookie = made.headers["set-cookie"]
        assert cookie.startswith("__Host-chatsrv=")
        assert "Secure" in cookie
        async with proxy.dial(Origin=proxy.origin, Cookie=cookie.partition(";")[0]) as again:
            await again.hello()
            assert (await again.ask(ResumeHere())).user_id == page.user_id


async def test_clients_are_told_apart_by_their_addresses_whatever_they_write(proxy: Proxy, backend: Backend):
    name = name_of(proxy, "dora")
    for source in ("127.0.0.2", "127.0.0.3"):
        async with proxy.dial(source, X_Forwarded_For=SPOOFED, Origin=proxy.origin) as client:
            await client.hello()
            while await client.refused(Login(name, "a wrong password", "test")) != "rate_limited":
                pass  # one attempt in six seconds is let through; a refusal is logged with the address
    told = re.findall(rf"login refused.* peer=(\S+) user={name}", backend.log.read_text())
    assert set(told) == {"127.0.0.2", "127.0.0.3"}
    assert SPOOFED not in backend.log.read_text()


async def test_who_comes_from_afar_does_not_pass_for_this_machine(tmp_path: Path):
    """Registration is closed but for loopback. HAProxy adds to the header: another proxy of this machine stands before it."""
    certificates = issue(tmp_path, HOST)
    with (
        serve(tmp_path / "data", *FLAGS[:4]) as (url, _),
        open_proxy("haproxy", tmp_path / "proxy", url, certificates) as proxy,
    ):
        async with proxy.dial() as client:
            assert (await client.hello()).registration_open
        async with proxy.dial(X_Forwarded_For=SPOOFED) as client:
            assert not (await client.hello()).registration_open
