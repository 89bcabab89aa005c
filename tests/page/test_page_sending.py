"""Writing and sending: waiting messages, compositions, drafts."""

import re

from playwright.sync_api import expect
from support.page_gate import Gate
from support.page_kit import Town

from chatsrv.client import Client

ENTER_AFTER_COMPOSITION = """box => {
    box.dispatchEvent(new CompositionEvent("compositionend", { bubbles: true }));
    box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", keyCode: 13, bubbles: true }));
}"""
"""In one go: on a busy machine two calls of the driver are further apart than the 50 ms in which such a key is no Enter."""


async def first_group(client: Client) -> int:
    return (await client.groups.list())[0].group_id


def test_an_enter_that_ends_a_composition_sends_nothing(town: Town):
    ann, bob = town.person("sndann1"), town.person("sndbob1")
    town.group(ann, "Compose", bob)
    ann.box.focus()
    session = ann.page.context.new_cdp_session(ann.page)
    session.send("Input.imeSetComposition", {"text": "ni hao", "selectionStart": 6, "selectionEnd": 6})
    ann.box.dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "isComposing": True, "bubbles": True})
    session.send("Input.insertText", {"text": "你好"})
    ann.box.evaluate(ENTER_AFTER_COMPOSITION)
    expect(ann.box).to_have_value("你好")
    ann.page.evaluate("new Promise(done => setTimeout(done, 60))")
    ann.box.press("Enter")
    bob.open("Compose")
    bob.sees("你好")
    expect(ann.box).to_have_value("")
    assert bob.page.locator("li[data-seq] .text").all_inner_texts() == ["你好"]


def test_drafts_outlive_switching_and_reloading_and_go_when_sent(town: Town):
    ann, bob = town.person("sndann2"), town.person("sndbob2")
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


def test_waiting_messages_stand_in_order_and_become_stored_in_place(town: Town):
    gates: list[Gate] = []
    ann, bob = town.person("sndann3", prepare=lambda page: gates.append(Gate(page))), town.person("sndbob3")
    [gate] = gates
    town.group(ann, "Slow", bob)
    # The first page of the chat is loaded: what comes above the messages later would move them.
    expect(ann.page.get_by_role("log").get_by_text(re.compile("made the group")).first).to_be_visible()
    gate.shut()
    texts = ["first", "second", "third"]
    for text in texts:
        ann.say(text)
    expect(ann.page.get_by_role("img", name="waiting", exact=True)).to_have_count(3)
    shown = ann.page.get_by_role("log").get_by_role("article")
    expect(shown).to_have_text([re.compile(text) for text in texts])
    before = [article.bounding_box() for article in shown.all()]
    gate.open()
    expect(ann.page.get_by_role("img", name="sent", exact=True)).to_have_count(3)
    expect(ann.page.get_by_role("img", name="waiting", exact=True)).to_have_count(0)
    expect(shown).to_have_text([re.compile(text) for text in texts])
    assert [article.bounding_box() for article in shown.all()] == before
    bob.open("Slow")
    expect(bob.page.get_by_role("log").get_by_role("article")).to_have_text([re.compile(text) for text in texts])


def test_a_refusal_stands_at_its_message_with_the_text_and_again(town: Town):
    ann, bob = town.person("sndann4"), town.person("sndbob4")
    town.group(bob, "Refused", ann)
    group_id = town.program("sndbob4", first_group)
    ann.open("Refused")

    async def mute(client: Client) -> None:
        [person] = await client.people.find(["sndann4"])
        await client.group(group_id).mute(person.user_id)

    async def unmute(client: Client) -> None:
        [person] = await client.people.find(["sndann4"])
        await client.group(group_id).unmute(person.user_id)

    town.program("sndbob4", mute)
    ann.page.get_by_text("sndbob4 muted sndann4", exact=True).first.wait_for()
    ann.say("my words")
    refusal = ann.page.get_by_role("log").get_by_role("alert")
    expect(refusal).to_contain_text("Not sent")
    expect(ann.page.get_by_role("log").get_by_text("my words", exact=True)).to_be_visible()
    ann.page.reload()
    ann.open("Refused")
    expect(refusal).to_contain_text("Not sent")
    town.program("sndbob4", unmute)
    refusal.get_by_role("button", name="Again", exact=True).click()
    ann.stored("my words")
    expect(refusal).to_have_count(0)
    bob.sees("my words")
