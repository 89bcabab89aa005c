"""What strangers write: names and texts full of markup, on every screen."""

from playwright.sync_api import expect
from support.page_kit import Town, nothing
from support.page_screens import Strings, furnish, walk


def test_what_strangers_write_is_text_and_nothing_else(town: Town):
    ann, bob = town.person("txtann1"), town.person("txtbob1")
    title = "<img src=x onerror=alert(1)> & co"
    town.group(ann, title, bob)
    texts = [
        "<script>alert(1)</script><b>bold</b>",
        "javascript:alert(1) [x](javascript:alert(2))",
        "a\u202eb\u2066c",
        "x" * 16_384,
    ]
    for text in texts:
        ann.say(text)
    ann.say("see https://example.org/a?b=<c> and http://example.com.")
    bob.open(title)
    log = bob.page.get_by_role("log")
    links = log.get_by_role("link")
    expect(links).to_have_count(2)
    assert [link.get_attribute("href") for link in links.all()] == ["https://example.org/a?b=", "http://example.com"]
    assert {link.get_attribute("rel") for link in links.all()} == {"noopener noreferrer"}
    assert log.locator("script, b:not(:has(bdi)), img").count() == 0
    assert "\u202e" not in bob.page.locator("body").inner_text()
    assert bob.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_markup_and_direction_marks_do_nothing_on_any_screen(town: Town):
    name = "<img src=x onerror=alert(1)> שלום"  # the server refuses direction marks in names
    text = "<img src=x onerror=alert(1)>\u202e\u2066<b>javascript:alert(1)</b>"
    ann = town.person("txtann2")
    town.program("txtbob2", nothing)
    town.grant("txtbob2", 100)
    said = Strings(group=name, text=text, file="\u202e<svg onload=alert(1)>.txt", nickname="<i>x</i>")
    town.program("txtbob2", lambda client: furnish(client, "txtann2", said))
    asked: list[str] = []
    ann.page.on("request", lambda request: asked.append(request.url))
    marks = "[\\u202a-\\u202e\\u2066-\\u2069]"
    shown = set[str]()
    for screen in walk(ann.page):
        shown.add(screen)
        seen = ann.page.evaluate(
            "marks => [document.body.innerText, ...[...document.querySelectorAll('[aria-label], [alt], [placeholder]')]"
            ".flatMap(it => ['aria-label', 'alt', 'placeholder'].map(name => it.getAttribute(name) ?? ''))]"
            ".filter(text => new RegExp(marks).test(text))",
            marks,
        )
        assert not seen, screen
        assert not ann.page.locator("[onerror], [onload], img[src='x'], i, .text b").count(), screen
    assert len(shown) == 18
    assert all(url.startswith((town.url, "blob:", "ws:")) for url in asked)
    title = ann.page.get_by_role("heading", level=1)
    expect(title.locator("bdi")).to_have_text(name)
    expect(title.locator("small")).to_have_text("2 members, 1 online")
    line = ann.page.get_by_role("log").get_by_role("listitem").filter(has_text="txtbob2 pinned").locator("span").first
    assert line.evaluate("line => getComputedStyle(line).direction") == "ltr"
