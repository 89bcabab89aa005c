"""The page on a phone."""

import pytest
from playwright.sync_api import expect
from support.page_kit import Town, nothing, wait_for
from support.page_screens import Strings, furnish, walk

SMALL = """() => [...document.querySelectorAll('button, select, input:not([type=file]), summary')].filter(element => {
    // A label that holds a box is what the finger meets.
    const target = (element.matches('[type=checkbox]') && element.closest('label')) || element;
    const { width, height } = target.getBoundingClientRect();
    const shown = element.checkVisibility() && width > 0 && !element.closest('.text, .bubble');
    return shown && (document.querySelector('dialog[open]')?.contains(element) ?? true) && Math.min(width, height) < 44;
}).map(element => element.outerHTML.slice(0, 120))"""
"""What a finger would miss: less than 44 px in a direction."""


LAST = "[...document.querySelectorAll('[role=log] li[data-seq]')].at(-1)"
IN_VIEW = "it => it.getBoundingClientRect().top >= 0 && it.getBoundingClientRect().bottom <= 544"
"""Above the keyboard."""


def test_on_a_phone_nothing_is_wider_than_the_screen_and_back_leaves_the_chat(town: Town):
    ann, bob = (
        town.person("phann11"),
        town.person("phbob11", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True),
    )
    town.group(ann, "Phone", bob)
    ann.say("w" * 300)
    bob.open("Phone")
    bob.sees("w" * 300)
    assert bob.page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(bob.box).to_be_in_viewport()
    bob.page.go_back()
    expect(bob.chat("Phone")).to_be_visible()


def test_the_keyboard_covers_neither_the_composer_nor_the_last_message(town: Town):
    ann = town.person("phann12")
    bob = town.person("phbob12", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    town.group(ann, "Keyboard", bob)
    bob.open("Keyboard")
    for number in range(20):
        ann.say(f"line {number}")
    last = bob.sees("line 19")
    expect(last).to_be_in_viewport()
    bob.box.tap()
    # iOS leaves the page as high as it was, and makes the visible part of it smaller.
    bob.page.evaluate(
        "() => { Object.defineProperty(visualViewport, 'height', { configurable: true, get: () => 544 });"
        "visualViewport.dispatchEvent(new Event('resize')); }"
    )
    wait_for(bob.page, f"[document.querySelector('textarea'), {LAST}].every({IN_VIEW})")
    ann.say("while typing")
    bob.sees("while typing")
    wait_for(bob.page, f"{LAST}.textContent.includes('while typing') && [{LAST}].every({IN_VIEW})")
    assert bob.page.evaluate("document.documentElement.scrollWidth <= 390")


@pytest.mark.parametrize("width", [320, 390])
def test_no_screen_is_wider_than_the_phone_and_fingers_find_what_they_need(town: Town, width: int):
    bob = town.person(f"bob{width}", viewport={"width": width, "height": 700}, has_touch=True, is_mobile=True)
    town.program(f"ann{width}", nothing)
    town.grant(f"ann{width}", 100)
    long = Strings(group="A group with a rather long name that nobody cut", text="w" * 200, file="w" * 60)
    town.program(f"ann{width}", lambda client: furnish(client, bob.name, long))
    small: dict[str, list[str]] = {}
    for screen in walk(bob.page):
        assert bob.page.evaluate("document.documentElement.scrollWidth") <= width, screen
        small[screen] = bob.page.evaluate(SMALL)
    assert {screen: what for screen, what in small.items() if what} == {}
