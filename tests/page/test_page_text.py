"""What strangers write: names and texts full of markup, on every screen."""

from playwright.sync_api import expect
from support.page_kit import Town


def test_what_strangers_write_is_text_and_nothing_else(town: Town):
    ann, bob = town.person("ann4"), town.person("bob4")
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
    bob.chat("<img").click()
    log = bob.page.get_by_role("log")
    links = log.get_by_role("link")
    expect(links).to_have_count(2)
    assert [link.get_attribute("href") for link in links.all()] == ["https://example.org/a?b=", "http://example.com"]
    assert {link.get_attribute("rel") for link in links.all()} == {"noopener noreferrer"}
    assert log.locator("script, b:not(:has(bdi)), img").count() == 0
    assert "\u202e" not in bob.page.locator("body").inner_text()
    assert bob.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
