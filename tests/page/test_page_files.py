"""Pictures and files: chosen, pasted, dropped, sent and looked at."""

from pathlib import Path

from playwright.sync_api import expect
from support.page_kit import Town, wait_for


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
