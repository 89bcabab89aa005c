"""The page on a phone."""

from playwright.sync_api import expect
from support.page_kit import Town


def test_on_a_phone_nothing_is_wider_than_the_screen_and_back_leaves_the_chat(town: Town):
    ann, bob = (
        town.person("ann11"),
        town.person("bob11", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True),
    )
    town.group(ann, "Phone", bob)
    ann.say("w" * 300)
    bob.open("Phone")
    bob.sees("w" * 300)
    assert bob.page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(bob.box).to_be_in_viewport()
    bob.page.go_back()
    expect(bob.chat("Phone")).to_be_visible()
