"""Voice messages: recorded with a microphone that Chromium pretends to have, sent, shown with bars, and played."""

import re
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, expect
from support.page_kit import Town, open_browser, require_page, wait_for


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """A browser with a microphone, which it gives without asking."""
    require_page()
    with open_browser("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as opened:
        yield opened


def test_a_voice_message_is_recorded_sent_and_played(town: Town):
    ann, bob = town.person("ann1"), town.person("bob1")
    town.group(ann, "Voices", bob)
    bob.open("Voices")
    ann.page.get_by_role("button", name="Record a voice message").click()
    bar = ann.page.get_by_role("group", name="Recording")
    expect(bar.get_by_role("timer")).to_have_text("2″")
    bar.get_by_role("button", name="Send the voice message").click()
    expect(ann.box).to_be_visible()
    player = bob.page.get_by_role("log").get_by_role("button", name=re.compile("^Play: Voice message, [1-9]″$"))
    player.wait_for()
    assert bob.page.get_by_role("log").locator("rect").count() > 10
    player.click()
    wait_for(bob.page, "document.querySelector('audio').currentTime > 0")
    wait_for(bob.page, "document.querySelectorAll('rect.played').length > 0")
    pause = bob.page.get_by_role("button", name=re.compile("^Pause: Voice message"))
    bob.page.get_by_role("button", name="Speed: 1 times").click()
    assert bob.page.evaluate("document.querySelector('audio').playbackRate") == 1.5
    expect(player.or_(pause)).to_be_visible()
    wait_for(bob.page, "document.querySelector('audio').paused")


def test_escape_throws_a_recording_away_and_the_microphone_is_let_go(town: Town):
    ann = town.person("ann2")
    town.group(ann, "Nothing")
    ann.page.evaluate(
        "() => { const { mediaDevices } = navigator; const ask = mediaDevices.getUserMedia.bind(mediaDevices);"
        "mediaDevices.getUserMedia = async wanted => (window.stream = await ask(wanted)); }"
    )
    ann.page.get_by_role("button", name="Record a voice message").click()
    bar = ann.page.get_by_role("group", name="Recording")
    bar.wait_for()
    ann.page.keyboard.press("Escape")
    expect(bar).to_have_count(0)
    expect(ann.box).to_be_visible()
    assert ann.page.evaluate("stream.getTracks().map(track => track.readyState)") == ["ended"]
    expect(ann.page.get_by_role("log").get_by_role("article")).to_have_count(0)


def test_a_denied_microphone_says_how_to_allow_it(town: Town):
    ann = town.person("ann3")
    town.group(ann, "Denied")
    ann.page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError')); }"
    )
    ann.page.get_by_role("button", name="Record a voice message").click()
    expect(ann.page.get_by_role("alert")).to_contain_text("Allow it for this page")
