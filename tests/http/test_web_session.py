"""Login by cookie: for the server's own page alone, for as long as the session lives, and readable by no script."""

import re
from typing import Any

import pytest
from support.server_kit import PASSWORD, Client, dialled
from support.web_kit import Answer, Site, open_site

from chatsrv_protocol.session import EndSession, ListSessions, Logout, Register, ResumeHere

SAME, NONE = "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"
COOKIE = re.compile(r"([\w-]+)=([0-9a-f]{64}); Path=/; HttpOnly; SameSite=Strict; Max-Age=7776000(; Secure)?")


def bearer(client: Client) -> str:
    assert client.me is not None
    return f"Authorization: Bearer {client.me.token.hex()}"


async def log_in(site: Site, client: Client, *lines: str) -> str:
    """The cookie that the page of a logged-in client gets, as its browser sends it back."""
    answer = await site.ask("POST", "/session", bearer(client), SAME, *lines)
    assert (answer.status, answer.body) == (204, b"")
    match = COOKIE.fullmatch(answer.headers["set-cookie"])
    assert match
    return f"{match[1]}={match[2]}"


def cookie_line(cookie: str) -> str:
    return f"Cookie: other=1; {cookie}; more=2"


async def test_the_cookie_logs_in_and_opens_media() -> None:
    async with open_site() as site, site.page() as page:
        await page.register("ann")
        cookie = await log_in(site, page)
        assert cookie.startswith(f"chatsrv-{site.port}="), "cookies know no ports"
        made = await site.ask("POST", "/media", cookie_line(cookie), SAME, body=b"bytes")
        assert made.status == 201
        path = "/media/" + made.headers["location"].rpartition("/")[2]
        for site_line, status in ((SAME, 200), (NONE, 200), ("Sec-Fetch-Site: same-site", 401), ("X: y", 401)):
            assert (await site.ask("GET", path, cookie_line(cookie), site_line)).status == status
        async with site.page(cookie) as again:
            await again.hello()
            logged_in = await again.ask(ResumeHere())
            assert logged_in.name == "ann"
            assert logged_in.token == b""


@pytest.mark.parametrize("lines", [(), (NONE,), ("Sec-Fetch-Site: cross-site",), ("Sec-Fetch-Site: same-site",)])
async def test_only_the_page_itself_gets_and_uses_the_cookie(lines: tuple[str, ...]) -> None:
    async with open_site() as site, site.page() as page:
        await page.register("ann")
        assert (await site.ask("POST", "/session", bearer(page), *lines)).status == 403
        cookie = cookie_line(await log_in(site, page))
        assert (await site.ask("DELETE", "/session", cookie, *lines)).status == 403
        for method, path in (("POST", "/media"), ("POST", "/uploads"), ("HEAD", "/media/1")):
            assert (
                await site.ask(method, path, cookie, "Tus-Resumable: 1.0.0", "Upload-Length: 1", *lines)
            ).status == 401


async def no_login(site: Site, cookie: str, origin: str | None = None) -> bool:
    async with site.page(cookie, origin) as page:
        await page.hello()
        return await page.refused(ResumeHere()) == "session_ended"


async def test_the_cookie_counts_in_the_handshake_of_the_own_page_only() -> None:
    async with open_site(origins="http://good.example", ws="127.0.0.1:0") as site, site.page() as page:
        await page.register("ann")
        cookie = await log_in(site, page)
        name, _, value = cookie.partition("=")
        assert await no_login(site, cookie, origin="http://good.example"), "an allowed page is not the own one"
        assert await no_login(site, f"__Host-chatsrv={value}"), "another name"
        assert await no_login(site, f"{cookie}; {name}={'0' * 64}"), "two of them"
        assert await no_login(site, f"{name}={value[:-1]}")
        assert await no_login(site, f"{name}={'0' * 64}")
        assert await no_login(site, "")
        headers = [(b"Cookie", cookie.encode())]
        async with dialled(f"ws://127.0.0.1:{site.port}", extra_headers=headers) as program:  # it sends no Origin
            await program.hello()
            assert await program.refused(ResumeHere()) == "session_ended"


@pytest.mark.parametrize("end", ["log out", "end the session", "delete"])
async def test_after_the_end_of_a_session_an_old_cookie_opens_nothing(end: str) -> None:
    async with open_site() as site, site.page() as page:
        await page.register("ann")
        made = await site.ask("POST", "/media", bearer(page), body=b"bytes")
        path = "/media/" + made.headers["location"].rpartition("/")[2]
        cookie = await log_in(site, page)
        async with site.page(cookie) as live:
            await live.hello()
            await live.ask(ResumeHere())
            if end == "log out":
                await live.ask(Logout())
            elif end == "end the session":
                async with site.page() as other:
                    await other.login("ann")
                    assert page.me is not None
                    await other.ask(EndSession(page.me.session_id))
            else:
                gone = await site.ask("DELETE", "/session", cookie_line(cookie), SAME)
                assert gone.status == 204
                assert gone.headers["set-cookie"].startswith(f"{cookie.partition('=')[0]}=; Path=/; HttpOnly")
                assert "Max-Age=0" in gone.headers["set-cookie"]
            assert await live.until_end() is None
        assert await no_login(site, cookie)
        assert (await site.ask("GET", path, cookie_line(cookie), SAME)).status == 401
        assert (await site.ask("POST", "/media", cookie_line(cookie), SAME, body=b"x")).status == 401
        again = await site.ask("DELETE", "/session", cookie_line(cookie), SAME)
        assert again.status == 204, "it takes away what is left in the browser"


async def test_a_wrong_token_gets_no_cookie() -> None:
    async with open_site() as site:
        for lines in ((), ("Authorization: Bearer " + "0" * 64,), ("Authorization: Basic xyz",)):
            answer = await site.ask("POST", "/session", SAME, *lines)
            assert answer.status == 401
            assert "set-cookie" not in answer.headers


async def test_a_rebound_host_gets_and_uses_nothing() -> None:
    async with open_site() as site, site.page() as page:
        await page.register("ann")
        cookie = await log_in(site, page)
        value = cookie.partition("=")[2]
        assert (await site.ask("POST", "/session", bearer(page), SAME, host="evil.example")).status == 421
        assert (await site.ask("DELETE", "/session", cookie_line(cookie), SAME, host="evil.example")).status == 421
        stolen = f"Cookie: chatsrv-80={value}"
        assert (await site.ask("GET", "/media/1", stolen, SAME, host="evil.example")).status == 401


async def test_other_methods_are_told_which_there_are() -> None:
    async with open_site() as site:
        answer = await site.ask("GET", "/session")
        assert (answer.status, answer.headers["allow"]) == (405, "POST, DELETE")


TRUSTED = ("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https")


async def test_over_tls_the_browser_vouches_for_the_cookie() -> None:
    async with open_site("chat.example", names="chat.example", trusted_proxies="127.0.0.1") as site:
        headers: dict[str, Any] = {
            "extra_headers": [(b"X-Forwarded-For", b"192.0.2.7"), (b"X-Forwarded-Proto", b"https")]
        }
        async with dialled(f"ws://127.0.0.1:{site.port}", **headers) as ann:
            await ann.hello()
            await ann.ask(Register("ann", PASSWORD, ""))
            answer = await site.ask("POST", "/session", bearer(ann), SAME, *TRUSTED)
            assert answer.headers["set-cookie"].startswith("__Host-chatsrv=")
            assert answer.headers["set-cookie"].endswith("; Secure")
            cookie = answer.headers["set-cookie"].partition(";")[0]
            assert (await site.ask("GET", "/media/1", f"Cookie: {cookie}", SAME, *TRUSTED)).status == 404
            plain: Answer = await site.ask("GET", "/media/1", f"Cookie: {cookie}", SAME, TRUSTED[0])
            assert plain.status == 403 or plain.status == 401


async def test_from_afar_in_the_clear_there_is_no_cookie() -> None:
    async with open_site(trusted_proxies="127.0.0.1") as site:
        far = "X-Forwarded-For: 192.0.2.7"
        answer = await site.ask("POST", "/session", "Authorization: Bearer " + "0" * 64, SAME, far)
        assert answer.status == 403
        assert b"plaintext_refused" in answer.body


async def test_a_page_that_is_in_can_list_its_sessions() -> None:
    async with open_site() as site, site.page() as page:
        await page.register("ann")
        cookie = await log_in(site, page)
        async with site.page(cookie) as again:
            await again.hello()
            await again.ask(ResumeHere())
            (session,) = (await again.ask(ListSessions())).sessions
            assert session.current
