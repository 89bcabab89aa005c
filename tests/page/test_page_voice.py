"""Voice messages: recorded with a microphone that Chromium pretends to have, sent, shown with bars, and played."""

import re

from playwright.sync_api import expect
from support.page_kit import Town, wait_for


def test_a_voice_message_is_recorded_sent_and_played(town: Town):
    ann, bob = town.person("voann1"), town.person("vobob1")
    town.group(ann, "Voices", bob)
    bob.open("Voices")
    ann.page.get_by_role("button", name="Record a voice message", exact=True).click()
    bar = ann.page.get_by_role("group", name="Recording", exact=True)
    expect(bar.get_by_role("timer")).to_have_text(re.compile("^([2-9]|[1-9][0-9]+)″$"))
    bar.get_by_role("button", name="Send the voice message", exact=True).click()
    expect(ann.box).to_be_visible()
    player = bob.page.get_by_role("log").get_by_role("button", name=re.compile("^Play: Voice message, [1-9][0-9]*″$"))
    player.wait_for()
    assert bob.page.get_by_role("log").locator("rect").count() > 10
    bob.page.evaluate(
        "() => { document.querySelector('audio').loop = true; }"
    )  # until the test has seen what it looks for
    player.click()
    wait_for(bob.page, "document.querySelector('audio').currentTime > 0")
    wait_for(bob.page, "document.querySelectorAll('rect.played').length > 0")
    pause = bob.page.get_by_role("button", name=re.compile("^Pause: Voice message"))
    bob.page.get_by_role("button", name="Speed: 1 times", exact=True).click()
    assert bob.page.evaluate("document.querySelector('audio').playbackRate") == 1.5
    expect(pause).to_be_visible()
    bob.page.evaluate("() => { document.querySelector('audio').loop = false; }")
    wait_for(bob.page, "document.querySelector('audio').paused")


def test_escape_throws_a_recording_away_and_the_microphone_is_let_go(town: Town):
    ann = town.person("voann2")
    town.group(ann, "Nothing")
    ann.page.evaluate(
        "() => { const { mediaDevices } = navigator; const ask = mediaDevices.getUserMedia.bind(mediaDevices);"
        "mediaDevices.getUserMedia = async wanted => (window.stream = await ask(wanted)); }"
    )
    ann.page.get_by_role("button", name="Record a voice message", exact=True).click()
    bar = ann.page.get_by_role("group", name="Recording", exact=True)
    # It listens to the keyboard from when it takes the focus on.
    expect(bar.get_by_role("button", name="Send the voice message", exact=True)).to_be_focused()
    ann.page.keyboard.press("Escape")
    expect(bar).to_have_count(0)
    expect(ann.box).to_be_visible()
    assert ann.page.evaluate("stream.getTracks().map(track => track.readyState)") == ["ended"]
    expect(ann.page.get_by_role("log").get_by_role("article")).to_have_count(0)


def test_a_denied_microphone_says_how_to_allow_it(town: Town):
    ann = town.person("voann3")
    town.group(ann, "Denied")
    ann.page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError')); }"
    )
    ann.page.get_by_role("button", name="Record a voice message", exact=True).click()
    expect(ann.page.get_by_role("alert")).to_contain_text("Allow it for this page")
