"""Both languages and both looks on every screen: no word of the other language, and nothing that axe finds."""

import re
from typing import Literal

import pytest
from playwright.sync_api import Page, ViewportSize
from support.page_kit import Town, faults, nothing
from support.page_screens import CHINESE, ENGLISH, Strings, furnish, walk

Look = Literal["light", "dark"]
LOGIN = "登录"
TEXTS = """() => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const { parentElement: element, data } = walker.currentNode;
        if (element.closest("svg, script, noscript, [lang=en]") || !data.trim()) continue;
        found.push(data);
    }
    for (const element of document.querySelectorAll("[aria-label], [placeholder], [title], [alt]"))
        for (const name of ["aria-label", "placeholder", "title", "alt"])
            if (element.getAttribute(name)) found.push(element.getAttribute(name));
    return found;
}"""
"""Every text and name on the page."""


def english_words(page: Page, theirs: Strings, *names: str) -> set[str]:
    """Words of Latin letters that neither people wrote nor addresses have."""
    texts = "\n".join(page.evaluate(TEXTS))
    for word in (
        *(f"{theirs.file}{ending}" for ending in (".png", ".wav", "")),
        theirs.nickname,
        theirs.group,
        theirs.text,
        *names,
    ):
        texts = texts.replace(word, "")
    return set(re.findall(r"[A-Za-z]{2,}", texts)) - {"again", "chatsrv", "kB", "MB", "GB", "Chrome", "Linux"}


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_in_chinese_no_english_word_is_left_and_axe_finds_nothing(town: Town, look: Look, size: tuple[int, int]):
    name, other = f"zhann{look}{size[0]}", f"zhbob{look}{size[0]}"
    said = Strings(group="Xq", text="Zw", file="Vk", nickname="Jx")
    width, height = size
    viewport: ViewportSize = {"width": width, "height": height}
    page = town.browser.new_context(locale="zh-CN", color_scheme=look, viewport=viewport).new_page()
    page.goto(town.url)
    page.get_by_role("form", name=LOGIN, exact=True).wait_for()
    assert english_words(page, said) == set()
    assert faults(page) == []
    page.get_by_label("用户名", exact=True).fill(name)
    page.get_by_label("密码", exact=True).fill("correct horse battery staple")
    page.get_by_role("button", name="注册", exact=True).click()
    page.get_by_role("list", name=CHINESE.chats, exact=True).wait_for(state="attached")
    town.program(other, nothing)
    town.grant(other, 100)
    town.program(other, lambda client: furnish(client, name, said))
    found = {screen: (english_words(page, said, name, other), faults(page)) for screen in walk(page, CHINESE)}
    assert {screen: what for screen, what in found.items() if any(what)} == {}
    page.context.close()


@pytest.mark.parametrize("look", ["light", "dark"])
def test_in_english_axe_finds_nothing(town: Town, look: Look):
    ann = town.person(f"enann{look}", color_scheme=look)
    town.program(f"enbob{look}", nothing)
    town.grant(f"enbob{look}", 100)
    town.program(f"enbob{look}", lambda client: furnish(client, ann.name, Strings()))
    found = {screen: faults(ann.page) for screen in walk(ann.page, ENGLISH)}
    assert {screen: what for screen, what in found.items() if what} == {}
