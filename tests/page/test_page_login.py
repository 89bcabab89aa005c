"""Opening the page and logging in: one port for everything, a cookie that no script can read, logging out for good."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect
from support.page_kit import Town, begins, login_form


def test_page_socket_and_upload_use_the_one_address_that_was_printed(town: Town, tmp_path: Path):
    note = tmp_path / "note.txt"
    note.write_text("hello")
    asked: list[str] = []

    def listen(page: Page) -> None:
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))

    ann = town.person("logann0", by_form=True, prepare=listen)
    town.group(ann, "One port")
    ann.page.locator("input[type=file]").set_input_files(note)
    ann.box.press("Enter")
    ann.page.get_by_role("log").get_by_role("link", name=begins("note.txt")).wait_for()
    assert {"/", "/chat", "/session", "/media"} <= {urlsplit(url).path for url in asked}
    assert {urlsplit(url).netloc for url in asked if not url.startswith("blob:")} == {urlsplit(town.url).netloc}


def test_a_reload_needs_no_password_and_no_script_can_read_the_token(town: Town):
    ann = town.person("logann1", by_form=True)
    ann.page.reload()
    ann.page.get_by_role("list", name="Chats", exact=True).wait_for(state="attached")
    kept = ann.page.evaluate("document.cookie + JSON.stringify(localStorage)")
    assert not re.search(r"[0-9a-f]{64}", kept)


def test_an_old_cookie_opens_nothing_after_logging_out(town: Town):
    ann = town.person("logann2", by_form=True)
    cookies = ann.page.context.cookies()
    assert [cookie.get("httpOnly") for cookie in cookies] == [True]
    ann.page.get_by_role("button", name=re.compile("^Me")).click()
    with ann.page.expect_response("**/session"):
        ann.page.get_by_role("button", name="Log out", exact=True).click()
    login_form(ann.page).wait_for()
    ann.page.context.add_cookies(cookies)  # pyright: ignore[reportArgumentType]
    ann.page.evaluate("localStorage.setItem('chatsrv.logged_in', '1')")
    ann.page.reload()
    login_form(ann.page).wait_for()


def test_a_wrong_password_is_said_and_may_be_tried_again(town: Town):
    town.person("logann3")
    page = town.browser.new_context().new_page()
    page.goto(town.url)
    for password in ("wrong wrong wrong", "correct horse battery staple"):
        page.get_by_label("Name", exact=True).fill("logann3")
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_role("button", name="Log in", exact=True).click()
        if password.startswith("wrong"):
            expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("list", name="Chats", exact=True).wait_for(state="attached")
    page.context.close()


def test_a_logout_without_a_network_is_told_to_the_server_at_the_next_load(town: Town):
    ann = town.person("logann13", by_form=True)
    context = ann.page.context
    cookies = context.cookies()
    ann.page.get_by_role("button", name=re.compile("^Me")).click()
    context.set_offline(True)
    ann.page.get_by_role("button", name="Log out", exact=True).click()
    expect(ann.page.get_by_role("status")).to_contain_text("does not know yet that you logged out")
    ann.page.close()
    context.set_offline(False)
    page = context.new_page()
    with page.expect_response("**/session") as told:
        page.goto(town.url)
    assert told.value.ok
    context.add_cookies(cookies)  # pyright: ignore[reportArgumentType]
    page.evaluate("localStorage.setItem('chatsrv.logged_in', '1')")
    page.reload()
    login_form(page).wait_for()
    ann.complaints.clear()


def test_a_logout_that_did_not_reach_the_server_is_told_again_without_a_reload(town: Town):
    ann = town.person("logann14", by_form=True, service_workers="block")
    ann.page.route("**/session", lambda route: route.abort())
    ann.page.get_by_role("button", name=re.compile("^Me")).click()
    ann.page.get_by_role("button", name="Log out", exact=True).click()
    waits = ann.page.get_by_role("status").filter(has_text="does not know yet that you logged out")
    expect(waits).to_be_visible()
    with ann.page.expect_response("**/session") as told:
        ann.page.unroute("**/session")
    assert told.value.ok
    expect(waits).to_have_count(0)
    ann.complaints.clear()
