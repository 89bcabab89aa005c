"""Uploads over a network that breaks, files under their own names, and films with their posters."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Route, expect
from support.media_files import film
from support.page_kit import WAIT_MS, Town, begins, wait_for
from support.relay import Relay, address_of, relaying

SIZE = 24 * 1024 * 1024
PIECE = 4 * 1024 * 1024
CUTS = (SIZE // 4, SIZE * 2 // 3)


@contextmanager
def breaking_network(town: Town, *cuts: int) -> Generator[Relay]:
    """A relay before the town's server, which is the town's address meanwhile."""
    home = town.url
    with relaying(address_of(home), cuts) as relay:
        town.url = f"http://127.0.0.1:{relay.port}/"
        try:
            yield relay
        finally:
            town.url = home


def test_an_upload_goes_on_where_it_was_when_the_network_breaks_twice(town: Town, tmp_path: Path):
    plan = tmp_path / "the plan 计划.bin"
    plan.write_bytes(bytes(range(256)) * (SIZE // 256))
    bob = town.person("ubob")
    with breaking_network(town, *CUTS) as relay:
        ann = town.person("uann")
        town.group(ann, "Long way", bob)
        ann.page.locator("input[type=file]").set_input_files(plan)
        ann.box.fill("at last")
        ann.box.press("Enter")
        bob.open("Long way")
        link = bob.page.get_by_role("log").get_by_role("link", name=begins(plan.name))
        link.wait_for(timeout=4 * WAIT_MS)
        assert relay.breaks == len(CUTS)
        assert SIZE < relay.sent < SIZE + (len(CUTS) + 1) * PIECE, (
            "no byte goes up twice but those of a piece that was cut"
        )
        bob.sees("at last")
        expect(ann.page.get_by_role("progressbar")).to_have_count(0)
        ann.complaints.clear()  # of the network that broke
        with bob.page.expect_download() as started:
            link.click()
        assert started.value.suggested_filename == plan.name
        assert Path(started.value.path()).read_bytes() == plan.read_bytes()
        town.close()


def test_a_small_file_goes_up_by_itself_once_the_network_is_back(town: Town, tmp_path: Path):
    note = tmp_path / "note.txt"
    note.write_text("hello")
    ann = town.person("usmall", service_workers="block")
    town.group(ann, "Small")
    failed = 0

    def fail(route: Route) -> None:
        nonlocal failed
        failed += 1
        route.abort()

    ann.page.route("**/media", fail, times=2)
    ann.page.locator("input[type=file]").set_input_files(note)
    ann.box.press("Enter")
    ann.page.get_by_role("log").get_by_role("link", name=begins("note.txt")).wait_for()
    assert failed == 2
    ann.complaints.clear()


def test_what_the_server_refuses_is_said_at_the_file_and_can_be_tried_again(town: Town, tmp_path: Path):
    note = tmp_path / "note.txt"
    note.write_text("hello")
    ann = town.person("urefused", service_workers="block")
    town.group(ann, "Refused")
    answer = '{"error": "media_over_quota", "message": "Your room is full.", "field": null}'
    ann.page.route("**/media", lambda route: route.fulfill(status=413, body=answer), times=1)
    ann.page.locator("input[type=file]").set_input_files(note)
    expect(ann.page.get_by_role("alert")).to_contain_text("Your room is full.")
    ann.page.get_by_role("button", name="Again", exact=True).click()
    ann.box.press("Enter")
    ann.page.get_by_role("log").get_by_role("link", name=begins("note.txt")).wait_for()
    ann.complaints.clear()


def test_an_upload_that_is_taken_back_leaves_nothing_on_the_server(town: Town, tmp_path: Path):
    plan = tmp_path / "plan.bin"
    plan.write_bytes(bytes(3 * PIECE))
    ann = town.person("uback", service_workers="block")
    town.group(ann, "Back")
    ann.page.route("**/uploads/*", lambda route: None if route.request.method == "PATCH" else route.continue_())
    with ann.page.expect_request(lambda request: request.method == "PATCH"):
        ann.page.locator("input[type=file]").set_input_files(plan)
    ann.page.get_by_role("progressbar").wait_for()
    with ann.page.expect_response(lambda response: response.request.method == "DELETE") as gone:
        ann.page.get_by_role("button", name="Remove plan.bin", exact=True).click()
    assert gone.value.status == 204
    expect(ann.page.get_by_role("progressbar")).to_have_count(0)
    ann.complaints.clear()


def test_a_film_shows_its_poster_in_its_own_size_and_plays(town: Town, tmp_path: Path):
    path = tmp_path / "cat.mp4"
    path.write_bytes(film())
    ann, bob = town.person("ufilm"), town.person("uviewer")
    town.group(ann, "Films", bob)
    ann.page.locator("input[type=file]").set_input_files(path)
    ann.box.press("Enter")
    bob.open("Films")
    card = bob.page.get_by_role("log").get_by_role("button", name="Video: cat.mp4", exact=True)
    card.wait_for()
    before = card.bounding_box()
    wait_for(bob.page, "document.querySelector('.picture img')?.naturalWidth > 0")
    assert card.bounding_box() == before
    card.click()
    video = bob.page.get_by_role("dialog").locator("video")
    assert re.fullmatch(r"/media/\d+/preview", video.get_attribute("poster") or "")
    wait_for(bob.page, "document.querySelector('video').readyState >= 1")
    assert video.evaluate("video => video.error") is None
