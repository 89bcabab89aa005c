"""People: how they show themselves, the conversation of two, and blocking from a chat."""

import io
import re

from playwright.sync_api import Locator, expect
from support.media_files import picture
from support.page_kit import Person, Town, begins, faults

from chatsrv.client import Client


def about(person: Person, name: str) -> Locator:
    """The dialog about who said something in the chat that is open."""
    person.page.get_by_role("log").get_by_role("button", name=f"About {name}", exact=True).first.click()
    return person.page.get_by_role("dialog", name="Person", exact=True)


def test_my_picture_is_what_others_see_beside_my_messages(town: Town):
    ann, bob = town.person("picann"), town.person("picbob")
    town.group(ann, "Faces", bob)
    bob.open("Faces")
    ann.page.get_by_role("button", name=begins("Me: ")).click()
    ann.page.get_by_role("button", name="Account", exact=True).click()
    form = ann.page.get_by_role("dialog", name="Account", exact=True).get_by_role("form", name="My picture", exact=True)
    form.get_by_label("My picture", exact=True).set_input_files(
        {"name": "me.png", "mimeType": "image/png", "buffer": picture()}
    )
    form.get_by_role("button", name="Save", exact=True).click()
    expect(ann.page.get_by_role("dialog").get_by_role("status")).to_have_text("Saved.")
    ann.page.get_by_role("dialog").get_by_role("button", name="Close", exact=True).click()
    ann.say("look at me")
    bob.sees("look at me")
    face = bob.page.get_by_role("log").get_by_role("button", name="About picann", exact=True).locator("img")
    expect(face).to_have_attribute("src", re.compile(r"^/media/\d+/preview$"))
    expect(face).to_have_js_property("complete", value=True)
    expect(face).not_to_have_js_property("naturalWidth", 0)


def test_a_picture_that_was_deleted_leaves_the_letter(town: Town):
    ann, bob = town.person("pgoneann"), town.person("pgonebob", service_workers="block")
    town.group(ann, "Faceless", bob)

    async def show(client: Client) -> None:
        medium = await client.media.upload(io.BytesIO(picture()), name="me.png")
        await client.people.set_profile(avatar=medium)

    town.program("pgoneann", show)
    bob.page.route(re.compile(r"/media/\d+/preview$"), lambda route: route.fulfill(status=404))
    bob.open("Faceless")
    ann.say("who am I?")
    bob.sees("who am I?")
    face = bob.page.get_by_role("log").get_by_role("button", name="About pgoneann", exact=True)
    expect(face).to_have_text("P")
    expect(face.locator("img")).to_have_count(0)
    bob.complaints[:] = [said for said in bob.complaints if "404" not in said]


def test_from_a_message_one_writes_to_its_sender_alone(town: Town):
    ann, bob = town.person("writeann"), town.person("writebob")
    town.group(ann, "Crowd", bob)
    ann.say("hello all")
    bob.open("Crowd")
    bob.sees("hello all")
    dialog = about(bob, "writeann")
    expect(dialog.get_by_text("writeann", exact=True)).to_be_visible()
    assert faults(bob.page) == []
    dialog.get_by_role("button", name="Write to writeann", exact=True).click()
    bob.page.get_by_role("log", name="writeann", exact=True).wait_for()
    bob.say("just to you")
    ann.open("writebob")
    ann.sees("just to you")
    ann.page.get_by_role("button", name="Person", exact=True).click()
    dialog = ann.page.get_by_role("dialog", name="Person", exact=True)
    dialog.get_by_role("button", name="Block writebob", exact=True).click()
    expect(dialog.get_by_role("button", name="Unblock writebob", exact=True)).to_be_visible()
    bob.say("do you hear me?")
    refused = bob.page.locator("li").filter(has_text="do you hear me?")
    expect(refused).to_contain_text("Not sent:")


def test_the_head_of_a_conversation_of_two_says_when_the_other_was_there_last(town: Town):
    ann, bob = town.person("seenann"), town.person("seenbob")

    async def write(client: Client) -> None:
        [other] = await client.people.find(["seenann"])
        group = await client.groups.open_direct(other.user_id)
        await client.group(group.group_id).send("hi")

    town.program("seenbob", write)
    ann.open("seenbob")
    head = ann.page.get_by_role("heading", name=begins("seenbob"))
    expect(head).to_contain_text("online")
    bob.page.context.close()
    town.people.remove(bob)
    expect(head).to_contain_text(re.compile(r"last seen \d\d:\d\d"))


def test_a_day_stands_above_its_messages_once(town: Town):
    ann = town.person("dayann", prepare=lambda page: page.clock.install(time="2026-03-01T12:00:00Z"))
    town.group(ann, "Days")
    for text in ("one", "two"):
        ann.say(text)
        ann.stored(text)
    days = ann.page.get_by_role("log").locator("li.day")
    expect(days).to_have_count(1)
    expect(days).to_have_text(re.compile(r"[A-Z][a-z]+day,? .*\d"))
    rows = ann.page.get_by_role("log").get_by_role("listitem").all_inner_texts()
    assert rows.index(days.inner_text()) == 0
