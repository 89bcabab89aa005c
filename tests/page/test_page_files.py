"""Pictures and files: chosen, pasted, dropped, sent and looked at."""

import base64
import io
import re
import time
from pathlib import Path

from playwright.sync_api import Route, expect
from support.media_files import picture
from support.page_kit import WAIT_MS, Town, begins, wait_for

from chatsrv import Client

PUT = """([kind, name, bytes]) => {
    const transfer = new DataTransfer();
    const data = Uint8Array.from(atob(bytes), character => character.charCodeAt(0));
    transfer.items.add(new File([data], name, { type: 'image/png' }));
    const rest = { bubbles: true, cancelable: true };
    const send = (element, event) => document.querySelector(element).dispatchEvent(event);
    if (kind === 'paste') send('textarea', new ClipboardEvent('paste', { clipboardData: transfer, ...rest }));
    else for (const type of ['dragenter', 'dragover', 'drop'])
        send('[role=log]', new DragEvent(type, { dataTransfer: transfer, ...rest }));
}"""
"""Paste a file into the composer, or drop it on the messages."""


def test_a_picture_is_sent_as_soon_as_it_is_up_and_opens(town: Town, tmp_path: Path):
    from PIL import Image

    sky = tmp_path / "sky.png"
    Image.effect_mandelbrot((640, 480), (-2, -1.2, 1, 1.2), 40).convert("RGB").save(sky)
    ann, bob = town.person("filann10"), town.person("filbob10")
    town.group(ann, "Pictures", bob)
    ann.page.locator("input[type=file]").set_input_files(sky)
    ann.box.press("Enter")
    bob.open("Pictures")
    card = bob.page.get_by_role("button", name="Picture: sky.png", exact=True)
    card.wait_for()
    before = card.bounding_box()
    wait_for(
        bob.page,
        "document.querySelector('[role=log] img') && [...document.images].every(image => image.naturalWidth > 0)",
    )
    assert card.bounding_box() == before
    card.click()
    viewer = bob.page.get_by_role("dialog", name="Picture: sky.png", exact=True)
    viewer.get_by_role("button", name="Zoom", exact=True).click()
    bob.page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)


def test_a_caption_outlives_a_reload_during_the_upload_and_takes_its_file_again(town: Town, tmp_path: Path):
    note = tmp_path / "note.txt"
    note.write_text("hello")
    ann, bob = town.person("filann12", service_workers="block"), town.person("filbob12")
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
    expect(ann.page.get_by_role("log").get_by_text("the caption", exact=True)).to_be_visible()
    refusal.get_by_label("Choose the file again", exact=True).set_input_files(note)
    bob.open("Uploads")
    bob.sees("the caption")
    expect(bob.page.get_by_role("log").get_by_role("link", name=begins("note.txt"))).to_have_count(1)


def test_pasted_dropped_and_chosen_pictures_all_arrive_when_enter_comes_at_once(town: Town, tmp_path: Path):
    ann, bob = town.person("filann3", service_workers="block"), town.person("filbob3")
    town.group(ann, "Three", bob)
    bob.open("Three")
    chosen = tmp_path / "chosen.png"
    chosen.write_bytes(picture())
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    ann.page.route("**/media", hold)
    encoded = base64.b64encode(picture(size=(200, 300))).decode()
    ann.page.evaluate(PUT, ["paste", "pasted.png", encoded])
    ann.page.evaluate(PUT, ["drop", "dropped.png", encoded])
    ann.page.locator("input[type=file]").first.set_input_files(chosen)
    expect(ann.page.get_by_role("progressbar")).to_have_count(3)
    ann.box.fill("look")
    ann.box.press("Enter")
    expect(ann.box).to_have_value("")
    expect(ann.page.get_by_role("log").get_by_role("article").get_by_text("look", exact=True)).to_be_visible()
    deadline = time.monotonic() + WAIT_MS / 1000
    while len(held) < 3:
        assert time.monotonic() < deadline
        ann.page.wait_for_timeout(20)
    for route in held:
        route.continue_()
    cards = bob.page.get_by_role("log").get_by_role("button", name=re.compile("^Picture: "))
    expect(cards).to_have_count(3)
    assert [card.get_attribute("aria-label") for card in cards.all()] == [
        f"Picture: {name}.png" for name in ("pasted", "dropped", "chosen")
    ]
    bob.sees("look")
    expect(ann.page.get_by_role("progressbar")).to_have_count(0)


def test_a_deleted_file_is_said_to_be_deleted(town: Town):
    async def send_and_delete(client: Client) -> None:
        (summary,) = await client.groups.list()
        group = client.group(summary.group_id)
        media_id = await client.media.upload(io.BytesIO(picture()), name="beach.png")
        await group.send_media(media_id, "our beach")
        await client.media.delete(media_id)
        await group.send("done")

    ann, bob = town.person("filann19"), town.person("filbob19")
    town.group(ann, "Beaches", bob)
    town.program("filann19", send_and_delete)
    bob.open("Beaches")
    bob.sees("done")
    row = bob.page.get_by_role("article").filter(has_text="our beach")
    expect(row).to_contain_text("The file was deleted")
    expect(row.get_by_role("button", name="Picture: beach.png", exact=True)).to_have_count(0)
    # The maker's page may have asked for the picture between its message and its end.
    ann.complaints[:] = [said for said in ann.complaints if "404" not in said]
