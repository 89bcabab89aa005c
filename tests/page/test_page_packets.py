"""Red packets: opened by two at once, by keyboard, without motion; sent once, with the sums before and after."""

import re

from playwright.sync_api import Page, expect
from support.page_kit import Town

from chatsrv.client import Client


def packet_of(town: Town, name: str, total: int, count: int) -> None:
    """Somebody sends a packet into the one group there is."""

    async def send(client: Client) -> None:
        group_id = (await client.groups.list())[0].group_id
        prepared = await client.redpack.prepare(group_id, total, count)
        await client.redpack.send(group_id, prepared.packet_id)

    town.grant(name, total)
    town.program(name, send)


def cents(text: str) -> int:
    """What an amount says."""
    found = re.search(r"¥(\d+)\.(\d\d)", text)
    assert found, text
    return int(found[1]) * 100 + int(found[2])


def amount(page: Page) -> int:
    """What one had, as it is said to a screen reader: the whole amount, however far the digits are."""
    shown = page.get_by_role("dialog").get_by_role("status", name=re.compile("¥"))
    shown.wait_for()
    return cents(shown.get_attribute("aria-label") or "")


def test_two_open_at_once_and_each_sees_an_amount_of_ones_own(town: Town):
    ann, bob = town.person("ann1"), town.person("bob1")
    town.group(ann, "Packets", bob)
    bob.open("Packets")
    packet_of(town, "ann1", 888, 2)
    people = (ann, bob)
    for person in people:
        person.page.get_by_role("log").get_by_role("button", name=re.compile("^Red packet")).click()
        person.page.get_by_role("dialog").get_by_role("button", name="Open", exact=True).wait_for()
    for person in people:
        person.page.get_by_role("dialog").get_by_role("button", name="Open", exact=True).evaluate(
            "coin => coin.click()"
        )
    shares = [amount(person.page) for person in people]
    assert sum(shares) == 888
    assert min(shares) > 0
    for person in people:
        dialog = person.page.get_by_role("dialog")
        expect(dialog.get_by_role("listitem")).to_have_count(2)
        expect(dialog.get_by_text("luckiest")).to_have_count(1)
        expect(dialog.get_by_text("Proved fair")).to_be_visible()
        expect(dialog.locator(".proof")).to_have_class(re.compile("fair"))
        person.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        faded = person.page.get_by_role("log").get_by_role("button", name=re.compile("^Red packet.*all taken"))
        expect(faded).to_be_visible()
        expect(person.page.get_by_role("log").get_by_text("luckiest", exact=False)).to_have_count(1)


def test_a_packet_is_opened_by_keyboard_alone_and_the_focus_comes_back(town: Town):
    ann, bob = town.person("ann2"), town.person("bob2")
    town.group(ann, "Keys", bob)
    packet_of(town, "ann2", 100, 1)
    bob.open("Keys")
    packet = bob.page.get_by_role("log").get_by_role("button", name=re.compile("^Red packet"))
    packet.wait_for()
    bob.page.get_by_role("log").focus()
    for _ in range(4):
        bob.page.keyboard.press("Tab")
        if packet.evaluate("card => card === document.activeElement"):
            break
    expect(packet).to_be_focused()
    bob.page.keyboard.press("Enter")
    coin = bob.page.get_by_role("dialog").get_by_role("button", name="Open", exact=True)
    expect(coin).to_be_focused()
    bob.page.keyboard.press("Enter")
    assert amount(bob.page) == 100
    bob.page.keyboard.press("Escape")
    expect(bob.page.get_by_role("dialog")).to_have_count(0)
    expect(packet).to_be_focused()


def test_with_reduced_motion_nothing_turns(town: Town):
    ann = town.person("ann3")
    bob = town.person("bob3", reduced_motion="reduce")
    cat = town.person("cat3")
    town.group(ann, "Still", bob, cat)
    packet_of(town, "ann3", 300, 3)
    for person in (bob, cat):
        person.open("Still")
        person.page.evaluate(
            "() => { window.moved = 0; addEventListener('animationstart', () => window.moved++);"
            "addEventListener('transitionstart', () => window.moved++); }"
        )
        person.page.get_by_role("log").get_by_role("button", name=re.compile("^Red packet")).click()
        person.page.get_by_role("dialog").get_by_role("button", name="Open", exact=True).click()
        amount(person.page)
    assert bob.page.evaluate("window.moved") == 0
    assert cat.page.evaluate("window.moved") > 0, "with motion it does, so that the test can see it"


def test_a_packet_is_sent_once_with_the_average_before_and_the_wallet_after(town: Town):
    ann, bob = town.person("ann4"), town.person("bob4")
    town.grant("ann4", 2000)
    town.group(ann, "Sent", bob)
    bob.open("Sent")
    ann.page.get_by_role("button", name="Send lucky money").click()
    form = ann.page.get_by_role("dialog", name="Send a red packet")
    expect(form.get_by_text("Your wallet holds ¥20.00")).to_be_visible()
    form.get_by_label("Total").fill("30")
    form.get_by_label("Shares").fill("2")
    expect(form.get_by_role("alert")).to_have_text("Your wallet does not hold that much.")
    expect(form.get_by_role("button", name="Send ¥30.00")).to_be_disabled()
    form.get_by_label("Total").fill("8.88")
    expect(form.get_by_text("¥4.44 each on average")).to_be_visible()
    expect(form.get_by_role("alert")).to_have_count(0)
    form.get_by_role("button", name="Send ¥8.88").evaluate("button => { button.click(); button.click(); }")
    expect(form).to_have_count(0)
    expect(ann.page.get_by_role("log").get_by_role("button", name=re.compile("^Red packet"))).to_have_count(1)
    expect(bob.page.get_by_role("log").get_by_role("button", name=re.compile("^Red packet"))).to_have_count(1)
    ann.page.get_by_role("button", name="Send lucky money").click()
    expect(form.get_by_text("Your wallet holds ¥11.12")).to_be_visible()
