"""The page in a real browser against a real server: logging in, the list, the conversation, sending, drafts."""

import re
from pathlib import Path

from playwright.sync_api import expect
from support.page_kit import Town, wait_for


def test_a_reload_needs_no_password_and_no_script_can_read_the_token(town: Town):
    ann = town.person("ann1")
    ann.page.reload()
    ann.page.get_by_role("list", name="Chats").wait_for(state="attached")
    kept = ann.page.evaluate("document.cookie + JSON.stringify(localStorage)")
    assert not re.search(r"[0-9a-f]{64}", kept)


def test_an_old_cookie_opens_nothing_after_logging_out(town: Town):
    ann = town.person("ann2")
    cookies = ann.page.context.cookies()
    assert [cookie.get("httpOnly") for cookie in cookies] == [True]
    ann.page.get_by_role("button", name=re.compile("^Me")).click()
    with ann.page.expect_response("**/session"):
        ann.page.get_by_role("button", name="Log out").click()
    ann.page.get_by_role("button", name="Log in", exact=True).wait_for()
    ann.page.context.add_cookies(cookies)  # pyright: ignore[reportArgumentType]
    ann.page.evaluate("localStorage.setItem('chatsrv.logged_in', '1')")
    ann.page.reload()
    ann.page.get_by_role("button", name="Log in", exact=True).wait_for()


def test_a_wrong_password_is_said_and_may_be_tried_again(town: Town):
    town.person("ann3")
    page = town.browser.new_context().new_page()
    page.goto(town.url)
    for password in ("wrong wrong wrong", "correct horse battery staple"):
        page.get_by_label("Name", exact=True).fill("ann3")
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_role("button", name="Log in", exact=True).click()
        if password.startswith("wrong"):
            expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("list", name="Chats").wait_for(state="attached")
    page.context.close()


def test_what_strangers_write_is_text_and_nothing_else(town: Town):
    ann, bob = town.person("ann4"), town.person("bob4")
    title = "<img src=x onerror=alert(1)> & co"
    town.group(ann, title, bob)
    texts = [
        "<script>alert(1)</script><b>bold</b>",
        "javascript:alert(1) [x](javascript:alert(2))",
        "a\u202eb\u2066c",
        "x" * 16_384,
    ]
    for text in texts:
        ann.say(text)
    ann.say("see https://example.org/a?b=<c> and http://example.com.")
    bob.chat("<img").click()
    log = bob.page.get_by_role("log")
    links = log.get_by_role("link")
    expect(links).to_have_count(2)
    assert [link.get_attribute("href") for link in links.all()] == ["https://example.org/a?b=", "http://example.com"]
    assert {link.get_attribute("rel") for link in links.all()} == {"noopener noreferrer"}
    assert log.locator("script, b:not(:has(bdi)), img").count() == 0
    assert "\u202e" not in bob.page.locator("body").inner_text()
    assert bob.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_message_moves_its_chat_up_and_counts_in_the_title(town: Town):
    ann, bob = town.person("ann5"), town.person("bob5")
    for name in ("First", "Second", "Third"):
        town.group(bob, name, ann)
    bob.open("First")
    bob.say("up")
    first = ann.page.get_by_role("list", name="Chats").get_by_role("listitem").first
    expect(first).to_contain_text("First")
    expect(first.get_by_role("img", name="1 unread message")).to_be_visible()
    expect(ann.page).to_have_title("(1) chatsrv")
    ann.open("First")
    expect(ann.page).to_have_title("chatsrv")


def test_the_divider_stays_and_the_badge_goes_when_the_end_was_seen(town: Town):
    ann, bob = town.person("ann6"), town.person("bob6")
    town.group(bob, "Divided", ann)
    for number in range(40):
        bob.say(f"line {number}")
    expect(ann.chat("Divided").get_by_role("img", name="40 unread messages")).to_be_attached()
    ann.open("Divided")
    divider = ann.page.get_by_text("New messages", exact=True)
    expect(divider).to_be_in_viewport()
    expect(ann.chat("Divided").get_by_role("img", name="40 unread messages")).to_be_attached()
    bob.say("one more")
    expect(ann.page.get_by_role("button", name="1 new")).to_be_visible()
    expect(divider).to_be_in_viewport()
    ann.page.get_by_role("button", name="1 new").click()
    expect(ann.chat("Divided").get_by_role("img", name=re.compile("unread"))).to_have_count(0)


def test_messages_written_offline_arrive_once_and_in_order_after_the_tab_was_closed(town: Town):
    ann, bob = town.person("ann7"), town.person("bob7")
    town.group(ann, "Offline", bob)
    ann.say("before")
    bob.open("Offline")
    bob.sees("before")
    ann.page.evaluate("for (const key of Object.keys(localStorage)) if (key.includes('outbox')) throw key")
    ann.page.context.set_offline(True)
    ann.page.evaluate("dispatchEvent(new Event('pageshow'))")  # the socket is asked, and found dead
    ann.page.get_by_text("No connection", exact=False).wait_for()
    ann.say("one")
    ann.say("two")
    expect(ann.page.get_by_role("img", name="waiting")).to_have_count(2)
    context = ann.page.context
    ann.page.close()
    bob.say("meanwhile")
    context.set_offline(False)
    page = context.new_page()
    page.goto(town.url)
    bob.sees("one")
    bob.sees("two")
    texts = bob.page.locator("li[data-seq] .text").all_inner_texts()
    assert texts == ["before", "meanwhile", "one", "two"]
    assert all("ERR_INTERNET_DISCONNECTED" in said for said in ann.complaints)
    ann.complaints.clear()


def test_an_enter_that_ends_a_composition_sends_nothing(town: Town):
    ann, bob = town.person("ann8"), town.person("bob8")
    town.group(ann, "Compose", bob)
    ann.box.focus()
    session = ann.page.context.new_cdp_session(ann.page)
    session.send("Input.imeSetComposition", {"text": "ni hao", "selectionStart": 6, "selectionEnd": 6})
    ann.box.dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "isComposing": True, "bubbles": True})
    session.send("Input.insertText", {"text": "你好"})
    ann.box.dispatch_event("compositionend", {})
    ann.box.dispatch_event("keydown", {"key": "Enter", "keyCode": 13, "bubbles": True})
    expect(ann.box).to_have_value("你好")
    ann.page.evaluate("new Promise(done => setTimeout(done, 60))")
    ann.box.press("Enter")
    bob.open("Compose")
    bob.sees("你好")
    expect(ann.box).to_have_value("")
    assert bob.page.locator("li[data-seq] .text").all_inner_texts() == ["你好"]


def test_drafts_outlive_switching_and_reloading_and_go_when_sent(town: Town):
    ann, bob = town.person("ann9"), town.person("bob9")
    town.group(ann, "Left", bob)
    town.group(ann, "Right", bob)
    ann.box.fill("half right")
    ann.open("Left")
    expect(ann.box).to_have_value("")
    ann.box.fill("half left")
    ann.page.reload()
    ann.open("Right")
    expect(ann.box).to_have_value("half right")
    expect(ann.chat("Left")).to_contain_text("Draft: half left")
    ann.open("Left")
    expect(ann.box).to_have_value("half left")
    ann.box.press("Enter")
    ann.stored("half left")
    ann.page.reload()
    ann.open("Left")
    expect(ann.box).to_have_value("")


def test_a_picture_is_sent_as_soon_as_it_is_up_and_opens(town: Town, tmp_path: Path):
    from PIL import Image

    picture = tmp_path / "sky.png"
    Image.effect_mandelbrot((640, 480), (-2, -1.2, 1, 1.2), 40).convert("RGB").save(picture)
    ann, bob = town.person("ann10"), town.person("bob10")
    town.group(ann, "Pictures", bob)
    ann.page.locator("input[type=file]").set_input_files(picture)
    ann.box.press("Enter")
    bob.open("Pictures")
    card = bob.page.get_by_role("button", name="Picture: sky.png")
    card.wait_for()
    before = card.bounding_box()
    wait_for(bob.page, "[...document.images].every(image => image.complete && image.naturalWidth)")
    assert card.bounding_box() == before
    card.click()
    viewer = bob.page.get_by_role("dialog", name="Picture: sky.png")
    viewer.get_by_role("button", name="Zoom").click()
    bob.page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)


def test_a_caption_outlives_a_reload_during_the_upload_and_takes_its_file_again(town: Town, tmp_path: Path):
    note = tmp_path / "note.txt"
    note.write_text("hello")
    ann, bob = town.person("ann12"), town.person("bob12")
    town.group(ann, "Uploads", bob)
    ann.page.route("**/media", lambda _: None)  # an upload that does not come to its end
    ann.page.locator("input[type=file]").set_input_files(note)
    ann.box.fill("the caption")
    ann.box.press("Enter")
    expect(ann.box).to_have_value("")
    ann.page.reload()
    ann.page.unroute("**/media")
    ann.open("Uploads")
    refusal = ann.page.get_by_role("log").get_by_role("alert")
    expect(refusal).to_contain_text("the page was closed before note.txt was uploaded")
    expect(ann.page.get_by_role("log").get_by_text("the caption")).to_be_visible()
    refusal.get_by_label("Choose the file again").set_input_files(note)
    bob.open("Uploads")
    bob.sees("the caption")
    expect(bob.page.get_by_role("log").get_by_role("link", name="note.txt")).to_have_count(1)


def test_a_logout_without_a_network_is_told_to_the_server_at_the_next_load(town: Town):
    ann = town.person("ann13")
    context = ann.page.context
    cookies = context.cookies()
    ann.page.get_by_role("button", name=re.compile("^Me")).click()
    context.set_offline(True)
    ann.page.get_by_role("button", name="Log out").click()
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
    page.get_by_role("button", name="Log in", exact=True).wait_for()
    ann.complaints.clear()


def test_on_a_phone_nothing_is_wider_than_the_screen_and_back_leaves_the_chat(town: Town):
    ann, bob = (
        town.person("ann11"),
        town.person("bob11", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True),
    )
    town.group(ann, "Phone", bob)
    ann.say("w" * 300)
    bob.open("Phone")
    bob.sees("w" * 300)
    assert bob.page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(bob.box).to_be_in_viewport()
    bob.page.go_back()
    expect(bob.chat("Phone")).to_be_visible()
