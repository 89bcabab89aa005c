"""Without a network, after sleep, in a hidden tab, and over a restart of the server."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

import toolchain
from playwright.sync_api import Browser, WebSocket, expect
from playwright.sync_api import Error as PlaywrightError
from support.page_gate import Gate
from support.page_kit import WAIT_MS, Town, begins, chat_in, hide, open_town, wait_for
from support.ports import free_address

from chatsrv.client import Client


async def say(client: Client) -> None:
    """A message in the one group there is."""
    [group] = await client.groups.list()
    await client.group(group.group_id).send("hello")


def test_messages_written_offline_arrive_once_and_in_order_after_the_tab_was_closed(town: Town):
    ann, bob = town.person("netann7"), town.person("netbob7")
    town.group(ann, "Offline", bob)
    ann.say("before")
    bob.open("Offline")
    bob.sees("before")
    ann.page.evaluate("for (const key of Object.keys(localStorage)) if (key.includes('outbox')) throw key")
    ann.page.context.set_offline(True)
    ann.page.evaluate("dispatchEvent(new Event('pageshow'))")  # the socket is asked, and found dead
    ann.page.get_by_text(begins("No connection")).wait_for()
    ann.say("one")
    ann.say("two")
    expect(ann.page.get_by_role("img", name="waiting", exact=True)).to_have_count(2)
    context = ann.page.context
    ann.page.close()
    bob.say("meanwhile")
    bob.stored("meanwhile")
    context.set_offline(False)
    page = context.new_page()
    page.goto(town.url)
    bob.sees("one")
    bob.sees("two")
    chat_in(page, "Offline").click()
    for shown in (page, bob.page):
        expect(shown.locator("li[data-seq] .text")).to_have_text(["before", "meanwhile", "one", "two"])
    assert all("ERR_INTERNET_DISCONNECTED" in said for said in ann.complaints)
    ann.complaints.clear()


def test_after_sleep_a_dead_socket_is_found_and_replaced(town: Town):
    gates: list[Gate] = []
    ann, bob = town.person("netann8", prepare=lambda page: gates.append(Gate(page))), town.person("netbob8")
    [gate] = gates
    town.group(bob, "Asleep", ann)
    ann.open("Asleep")
    gate.shut()  # the server answers nothing, and the socket stays open
    bob.say("while asleep")
    ann.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(ann.page.get_by_role("status").filter(has_text="onnect")).to_be_visible()
    gate.open()
    ann.sees("while asleep")
    assert gate.sockets == 2
    expect(ann.page.get_by_role("status").filter(has_text="onnect")).to_have_count(0)


def test_a_hidden_tab_keeps_its_connection_without_timers_of_its_own(browser: Browser, tmp_path: Path):
    with open_town(browser, tmp_path / "data", "--heartbeat", "1.5") as town:
        sent = closed = 0

        def listen(socket: WebSocket) -> None:
            def count_sent(_: object) -> None:
                nonlocal sent
                sent += 1

            def count_closed(_: object) -> None:
                nonlocal closed
                closed += 1

            socket.on("framesent", count_sent)
            socket.on("close", count_closed)

        ann, bob = town.person("ann9"), town.person("bob9")
        ann.page.on("websocket", listen)
        ann.page.reload()
        town.group(bob, "Hidden", ann)
        chat_in(ann.page, "Hidden").wait_for()
        hide(ann.page)
        before = sent
        deadline = time.monotonic() + WAIT_MS / 1000
        while sent < before + 6:  # twice as long as a silent client may live
            assert time.monotonic() < deadline
            ann.page.wait_for_timeout(20)  # lets playwright hear of frames
        assert not closed
        town.program("bob9", say)
        expect(ann.page).to_have_title("(1) chatsrv")
        town.close()


def test_over_a_restart_drafts_stay_and_a_newer_page_is_offered(browser: Browser, tmp_path: Path):
    old, new, address = tmp_path / "old", tmp_path / "new", free_address()
    for folder in (old, new):
        shutil.copytree(toolchain.OUT, folder)
    with (new / "beat.js").open("a") as script:
        script.write("// newer\n")
    with open_town(browser, tmp_path / "data", http=address, page=old) as town:
        ann, bob = town.person("ann10"), town.person("bob10")
        town.group(ann, "Restart", bob)
        ann.box.fill("half a sentence")
        hide(bob.page)
        bob.page.evaluate("window.isOld = true")
        people = list(town.people)
        town.people.clear()  # they stay
    expect(ann.page.get_by_role("status").filter(has_text="No connection")).to_be_visible()
    with open_town(browser, tmp_path / "data", http=address, page=new) as town:
        town.people = people
        for person in people:  # whose pauses have grown
            with suppress(PlaywrightError):  # the hidden one may just be reloading
                person.page.evaluate("dispatchEvent(new Event('online'))")
        offer = ann.page.get_by_role("status").filter(has_text="newer version")
        expect(offer.get_by_role("button", name="Reload", exact=True)).to_be_visible()
        expect(ann.box).to_have_value("half a sentence")
        wait_for(bob.page, "!window.isOld")
        with ann.page.expect_navigation():
            offer.get_by_role("button", name="Reload", exact=True).click()
        ann.open("Restart")
        expect(ann.box).to_have_value("half a sentence")
        expect(ann.page.get_by_role("status").filter(has_text="newer version")).to_have_count(0)
        for person in people:
            person.complaints[:] = [said for said in person.complaints if "WebSocket" not in said]
        town.close()
