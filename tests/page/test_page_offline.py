"""The page where there is no network: its shell and the last chats, marked as old; and what was written there."""

import json
import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect
from support.page_kit import Person, Town, login_form, open_town, wait_for
from support.ports import free_address

KEPT = "caches.open('chatsrv-shell').then(cache => cache.keys()).then(kept => kept.length)"
SNAPSHOT = """indexedDB.databases().then(all => all.length === 0 ? "" : new Promise(resolve => {
    const opening = indexedDB.open("chatsrv");
    opening.onsuccess = () => {
        const asked = opening.result.transaction("snapshot").objectStore("snapshot").get("last");
        asked.onsuccess = () => resolve(asked.result ? JSON.stringify(asked.result.chats) : "");
    };
}))"""
"""The chats that the page keeps, as JSON; empty: none."""


def shell_is_kept(page: Page) -> None:
    """Wait until the service worker has every file of the page."""
    count = page.evaluate("fetch('/shell.json').then(answer => answer.json()).then(files => files.length)")
    wait_for(page, f"{KEPT}.then(kept => kept === {count})")


def forget_network(person: Person) -> None:
    """Errors that a page without a network may have in its console."""
    person.complaints[:] = [said for said in person.complaints if "ERR_" not in said and "WebSocket" not in said]


def test_without_a_server_the_last_chats_are_shown_as_old_and_what_is_written_is_sent_later(
    browser: Browser, tmp_path: Path
):
    address = free_address()
    with open_town(browser, tmp_path / "data", http=address) as town:
        ann, bob = town.person("ann"), town.person("bob")
        town.group(bob, "Garden", ann)
        ann.open("Garden")
        bob.say("the last thing")
        ann.sees("the last thing")
        shell_is_kept(ann.page)
        wait_for(ann.page, f"{SNAPSHOT}.then(kept => kept.includes('the last thing'))")
        people = list(town.people)
        town.people.clear()  # they stay
    ann.page.reload()
    status = ann.page.get_by_role("status").filter(has_text="What you see is of")
    expect(status).to_be_visible()
    ann.open("Garden")
    ann.sees("the last thing")
    ann.say("from the train")
    expect(ann.page.get_by_role("img", name="waiting", exact=True)).to_be_visible()
    ann.page.reload()  # kept over a reload too
    expect(status).to_be_visible()
    with open_town(browser, tmp_path / "data", http=address) as town:
        town.people = people
        for person in people:
            person.page.evaluate("dispatchEvent(new Event('online'))")
        bob.sees("from the train")
        ann.open("Garden")
        ann.stored("from the train")
        expect(status).to_have_count(0)
        expect(ann.page.get_by_role("log").get_by_text("from the train", exact=True)).to_have_count(1)
        for person in people:
            forget_network(person)
        town.close()


def test_nothing_of_the_chats_is_left_after_logging_out(town: Town):
    ann = town.person("leaver")
    town.group(ann, "Secret garden")
    ann.say("a secret")
    ann.stored("a secret")
    wait_for(ann.page, f"{SNAPSHOT}.then(kept => kept.includes('a secret'))")
    ann.page.get_by_role("button", name=re.compile("^Me: ")).click()
    ann.page.get_by_role("button", name="Log out", exact=True).click()
    login_form(ann.page).wait_for()
    wait_for(ann.page, f"{SNAPSHOT}.then(kept => kept === '')")
    assert "secret" not in ann.page.evaluate("JSON.stringify(localStorage)")


def test_the_page_can_be_installed(town: Town):
    ann = town.person("installer")
    manifest = json.loads(
        ann.page.evaluate("fetch(document.querySelector('link[rel=manifest]').href).then(it => it.text())")
    )
    assert manifest["display"] == "standalone"
    assert manifest["start_url"] == "/"
    for icon in manifest["icons"]:
        loaded = (
            "src => new Promise(resolve => { const image = new Image(); image.onload = () => resolve(true);"
            "image.onerror = () => resolve(false); image.src = src; })"
        )
        assert ann.page.evaluate(loaded, icon["src"])
    session = ann.page.context.new_cdp_session(ann.page)
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert not [error for error in errors if error["errorId"] != "in-incognito"], errors


def test_before_anybody_logged_in_the_page_leaves_nothing_in_the_browser(town: Town):
    page = town.browser.new_context().new_page()
    page.goto(town.url)
    login_form(page).wait_for()
    assert page.evaluate("navigator.serviceWorker.getRegistrations().then(all => all.length)") == 0
    assert page.evaluate("caches.keys()") == []
    assert page.evaluate("Object.keys(localStorage)") == []
    page.context.close()


def test_a_newer_page_replaces_the_shell_that_was_kept(town: Town):
    ann = town.person("shellkeeper")
    shell_is_kept(ann.page)
    ann.page.evaluate("caches.open('chatsrv-shell').then(it => it.put('/old-AAAAAAAA.js', new Response('old')))")
    ann.page.reload()
    ann.page.get_by_role("list", name="Chats", exact=True).wait_for(state="attached")
    shell_is_kept(ann.page)
    assert not ann.page.evaluate("caches.match('/old-AAAAAAAA.js').then(Boolean)")
