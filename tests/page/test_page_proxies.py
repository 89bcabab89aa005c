"""The page in a browser behind nginx, Caddy and HAProxy, with the configurations of docs/proxies."""

import base64
import hashlib
from collections.abc import Generator
from pathlib import Path

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from PIL import Image
from playwright.sync_api import Browser, Playwright, expect
from support.chromium import open_browser
from support.page_kit import Town, require_page, serve
from support.proxy_kit import HOST, open_proxy
from support.tls_kit import Certificates, issue

FLAGS = ("--trusted-proxies", "127.0.0.1", "--names", HOST, "--open-registration")


@attrs.frozen
class Backend:
    """A server, the certificate of its proxies, and a browser that trusts it and finds its name."""

    url: str
    certificates: Certificates
    browser: Browser


def key_digest(certificate: Path) -> str:
    """The digest of a certificate's key, by which Chromium trusts it."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@pytest.fixture(scope="module")
def backend(driver: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Generator[Backend]:
    require_page()
    folder = tmp_path_factory.mktemp("proxied")
    certificates = issue(folder, HOST)
    trust = f"--ignore-certificate-errors-spki-list={key_digest(certificates.cert)}"
    with (
        serve(folder / "data", *FLAGS) as (url, _),
        open_browser(driver, trust, f"--host-resolver-rules=MAP {HOST} 127.0.0.1") as browser,
    ):
        yield Backend(url, certificates, browser)


@pytest.mark.parametrize("kind", ["nginx", "caddy", "haproxy"])
def test_people_log_in_talk_and_send_pictures_behind(kind: str, backend: Backend, tmp_path: Path):
    picture = tmp_path / "large.png"
    Image.effect_noise((1600, 1200), 90).save(picture)
    assert picture.stat().st_size > 2**20, "more than nginx takes unless it is told to"
    with open_proxy(kind, tmp_path / "proxy", backend.url, backend.certificates) as proxy:
        town = Town(backend.browser, proxy.origin)
        try:
            ann, bob = (town.person(f"{name}{kind}", by_form=True) for name in ("ann", "bob"))
            assert ann.page.evaluate("isSecureContext")
            [cookie] = ann.page.context.cookies()
            assert cookie.get("name") == "__Host-chatsrv"
            assert cookie.get("secure")
            ann.page.reload()
            ann.page.get_by_role("list", name="Chats", exact=True).wait_for(state="attached")
            town.group(ann, "Behind", bob)
            ann.say("through the proxy")
            bob.open("Behind")
            bob.sees("through the proxy")
            ann.page.locator("input[type=file]").set_input_files(picture)
            ann.box.press("Enter")
            card = bob.page.get_by_role("button", name="Picture: large.png", exact=True)
            card.click()
            shown = bob.page.get_by_role("dialog", name="Picture: large.png", exact=True).get_by_role("img")
            expect(shown).to_have_js_property("naturalWidth", 1600)
        finally:
            town.close()
