"""The media of a chat in one place, and what I uploaded."""

import io
import re

from playwright.sync_api import expect
from support.media_files import picture
from support.page_kit import Town, begins, faults, nothing

from chatsrv.client import Client


async def furnish_media(client: Client, other: str) -> None:
    """Make a group with a picture far up, many words, and a file."""
    [person] = await client.people.find([other])
    group = client.group((await client.groups.create("Album", [person.user_id])).group_id)
    for body, name in ((picture(), "tree.png"), (b"text", "plan.txt")):
        await group.send_media(await client.media.upload(io.BytesIO(body), name=name))
        for number in range(120):
            await group.send(f"line {number} after {name}")


def test_a_picture_far_up_is_found_in_the_chats_media_and_a_click_goes_there(town: Town):
    ann = town.person("albumann")
    town.program("albumbob", lambda client: furnish_media(client, "albumann"))
    ann.open("Album")
    ann.page.get_by_role("button", name="Group", exact=True).click()
    ann.page.get_by_role("dialog", name="Group", exact=True).get_by_role(
        "button", name="Pictures and files", exact=True
    ).click()
    dialog = ann.page.get_by_role("dialog", name="Pictures and files", exact=True)
    expect(
        dialog.get_by_role("list", name="Files", exact=True).get_by_role("button", name=begins("plan.txt"))
    ).to_be_visible()
    assert faults(ann.page) == []
    dialog.get_by_role("list", name="Pictures and films", exact=True).get_by_role(
        "button", name=begins("Picture: tree.png, ")
    ).click()
    expect(dialog).to_have_count(0)
    expect(ann.page.get_by_role("log").get_by_role("button", name="Picture: tree.png", exact=True)).to_be_in_viewport()


def test_my_files_say_what_they_take_and_are_deleted_for_everybody(town: Town):
    town.program("fileother", nothing)
    town.program("fileann", lambda client: furnish_media(client, "fileother"))
    ann = town.person("fileann", register=False)
    ann.page.get_by_role("button", name=begins("Me: ")).click()
    ann.page.get_by_role("button", name="My files", exact=True).click()
    dialog = ann.page.get_by_role("dialog", name="My files", exact=True)
    files = dialog.get_by_role("list", name="My files", exact=True)
    expect(files.get_by_role("listitem")).to_have_count(2)
    expect(dialog.get_by_role("status")).to_contain_text("used")
    assert faults(ann.page) == []
    ann.page.once("dialog", lambda asked: asked.accept())
    files.get_by_role("button", name="Delete plan.txt", exact=True).click()
    expect(files.get_by_role("listitem")).to_have_count(1)
    dialog.get_by_role("button", name="Close", exact=True).click()
    ann.page.get_by_role("button", name="Back to chats", exact=True).click()
    ann.open("Album")
    ann.page.get_by_role("button", name="Group", exact=True).click()
    ann.page.get_by_role("dialog", name="Group", exact=True).get_by_role(
        "button", name="Pictures and files", exact=True
    ).click()
    gallery = ann.page.get_by_role("dialog", name="Pictures and files", exact=True)
    expect(gallery.get_by_role("button", name=begins("Picture: tree.png, "))).to_be_visible()
    expect(gallery.get_by_text(re.compile("plan.txt"))).to_have_count(0)
