"""Red packets: opened by two at once, by keyboard, without motion; sent once, with the sums before and after."""

import re

from playwright.sync_api import Page, expect
from support.page_kit import Town, begins, wait_for

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
    ann, bob = town.person("pkann1"), town.person("pkbob1")
    town.group(ann, "Packets", bob)
    bob.open("Packets")
    packet_of(town, "pkann1", 888, 2)
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
        expect(dialog.get_by_text("luckiest", exact=True)).to_have_count(1)
        expect(dialog.get_by_text("Proved fair", exact=True)).to_be_visible()
        expect(dialog.locator(".proof")).to_have_class(re.compile("fair"))
        person.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        faded = person.page.get_by_role("log").get_by_role("button", name=re.compile("^Red packet.*all taken"))
        expect(faded).to_be_visible()
        expect(person.page.get_by_role("log").get_by_text(re.compile("luckiest"))).to_have_count(1)


def test_a_packet_is_opened_by_keyboard_alone_and_the_focus_comes_back(town: Town):
    ann, bob = town.person("pkann2"), town.person("pkbob2")
    town.group(ann, "Keys", bob)
    packet_of(town, "pkann2", 100, 1)
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
    ann = town.person("pkann3")
    bob = town.person("pkbob3", reduced_motion="reduce")
    cat = town.person("pkcat3")
    town.group(ann, "Still", bob, cat)
    packet_of(town, "pkann3", 300, 3)
    for person in (bob, cat):
        person.open("Still")
        person.page.evaluate(
            "() => { window.moved = 0; addEventListener('animationstart', () => window.moved++);"
            "addEventListener('transitionstart', () => window.moved++); }"
        )
        person.page.get_by_role("log").get_by_role("button", name=re.compile("^Red packet")).click()
        person.page.get_by_role("dialog").get_by_role("button", name="Open", exact=True).click()
        amount(person.page)
    wait_for(cat.page, "window.moved > 0")  # with motion it does, so that the test can see it
    assert bob.page.evaluate("window.moved") == 0


def test_a_packet_is_sent_once_with_the_average_before_and_the_wallet_after(town: Town):
    ann, bob = town.person("pkann4"), town.person("pkbob4")
    town.grant("pkann4", 2000)
    town.group(ann, "Sent", bob)
    bob.open("Sent")
    ann.page.get_by_role("button", name="Send lucky money", exact=True).click()
    form = ann.page.get_by_role("dialog", name="Send a red packet", exact=True)
    expect(form.get_by_text("Your wallet holds ¥20.00", exact=True)).to_be_visible()
    form.get_by_label("Total (¥)", exact=True).fill("30")
    form.get_by_label("Shares", exact=True).fill("2")
    expect(form.get_by_role("alert")).to_have_text("Your wallet does not hold that much.")
    expect(form.get_by_role("button", name="Send ¥30.00", exact=True)).to_be_disabled()
    form.get_by_label("Total (¥)", exact=True).fill("8.88")
    expect(form.get_by_text(begins("¥4.44 each on average"))).to_be_visible()
    expect(form.get_by_role("alert")).to_have_count(0)
    form.get_by_role("button", name="Send ¥8.88", exact=True).evaluate("button => { button.click(); button.click(); }")
    expect(form).to_have_count(0)
    expect(ann.page.get_by_role("log").get_by_role("button", name=re.compile("^Red packet"))).to_have_count(1)
    expect(bob.page.get_by_role("log").get_by_role("button", name=re.compile("^Red packet"))).to_have_count(1)
    ann.page.get_by_role("button", name="Send lucky money", exact=True).click()
    expect(form.get_by_text("Your wallet holds ¥11.12", exact=True)).to_be_visible()


def test_a_packet_for_one_person_is_opened_by_that_person_alone(town: Town):
    ann, bob, carol = town.person("nameann"), town.person("namebob"), town.person("namecarol")
    town.group(ann, "Named", bob, carol)
    town.grant("nameann", 500)
    ann.page.get_by_role("button", name="Send lucky money", exact=True).click()
    dialog = ann.page.get_by_role("dialog", name="Send a red packet", exact=True)
    dialog.get_by_label(begins("Kind")).select_option(label="For one person")
    dialog.get_by_label("Total (¥)", exact=True).fill("5")
    send = dialog.get_by_role("button", name="Send ¥5.00", exact=True)
    expect(send).to_be_disabled()
    dialog.get_by_label(begins("For whom")).select_option(label="namebob")
    send.click()
    expect(dialog).to_have_count(0)
    for person in (carol, bob):
        person.open("Named")
        person.page.get_by_role("log").get_by_role("button", name=re.compile("^Red packet")).click()
    expect(carol.page.get_by_role("dialog")).to_contain_text("This packet is for somebody else.")
    bob.page.get_by_role("dialog").get_by_role("button", name="Open", exact=True).click()
    assert amount(bob.page) == 500
