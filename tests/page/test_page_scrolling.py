"""A long chat, scrolled to its beginning and back while others write: no row in view jumps, and none is left out."""

import io

import trio
from playwright.sync_api import Page
from support.media_files import picture
from support.page_kit import WAIT_MS, Town, wait_for

from chatsrv.client import Client

MESSAGES = 600
LOG = "document.querySelector('[role=log]')"
WATCH = """() => {
    const log = document.querySelector('[role=log]');
    const seen = window.seen = new Set();
    window.jumps = [];
    window.most = 0;
    window.wheel = 0;
    let before = new Map();
    let wasAtEnd = true;
    const look = () => {
        const { top, bottom } = log.getBoundingClientRect();
        const now = new Map();
        const rows = log.querySelectorAll('[data-seq]');
        window.most = Math.max(window.most, rows.length);
        for (const row of rows) {
            const place = row.getBoundingClientRect();
            if (place.bottom <= top || place.top >= bottom) continue;
            seen.add(Number(row.dataset.seq));
            now.set(row.dataset.seq, place.top);
        }
        // The wheel moves all rows alike; what is left is a jump. At an end it moves them by less than it says.
        const wheel = window.wheel;
        window.wheel = 0;
        // At the end new rows push the others up: from the moment on that the wheel has come there.
        const isAtEnd = log.dataset.end === 'true';
        for (const [seq, at] of now) {
            if (!before.has(seq) || wasAtEnd || isAtEnd) continue;
            const by = at - before.get(seq) + wheel;
            if (Math.abs(by) > 2) window.jumps.push({ seq, by, wheel });
        }
        before = now;
        wasAtEnd = isAtEnd;
        if (window.step) {
            const at = log.scrollTop;
            log.scrollTop += window.step;
            window.wheel = log.scrollTop - at;
        }
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""
"""Scrolls by `step` pixels in each frame, and compares where rows are between frames."""


async def fill(client: Client, other: str) -> int:
    """A chat of texts of every height, each tenth a picture."""
    [person] = await client.people.find([other])
    group_id = (await client.groups.create("Long", [person.user_id])).group_id
    medium = await client.media.upload(io.BytesIO(picture(size=(300, 200))), name="red.png")
    for start in range(0, MESSAGES, 100):
        async with trio.open_nursery() as nursery:
            for number in range(start, start + 100):
                if number % 10 == 9:
                    nursery.start_soon(client.group(group_id).send_media, medium, f"picture {number}")
                else:
                    nursery.start_soon(
                        client.group(group_id).send, f"line {number} " + "and so on " * (number * 7 % 40)
                    )
    return group_id


def scroll(page: Page, step: int, until: str) -> None:
    page.evaluate("step => { window.step = step; }", step)
    wait_for(page, until, 4 * WAIT_MS)  # hundreds of frames, which a busy machine draws slowly
    page.evaluate("() => { window.step = 0; }")


def test_no_row_in_view_moves_and_every_row_is_seen(town: Town):
    ann = town.person("scrollann")
    group_id = town.program("scrollbob", lambda client: fill(client, "scrollann"))

    async def chatter(client: Client) -> None:
        for number in range(100_000):
            await client.group(group_id).send(f"meanwhile {number}")
            await trio.sleep(0.1)

    ann.open("Long")
    wait_for(ann.page, f"{LOG}.dataset.end === 'true'")
    ann.page.evaluate(WATCH)
    with town.meanwhile("scrollbob", chatter):
        scroll(ann.page, -500, f"{LOG}.scrollTop === 0 && {LOG}.querySelector('[data-seq]')?.dataset.seq === '1'")
        # Frames come when they come: the last rows are in view from the next one on.
        wait_for(ann.page, "window.seen.has(1)")
        assert ann.page.evaluate("window.jumps") == []
        top = ann.page.evaluate("[...window.seen].sort((a, b) => a - b)")
        assert top == list(range(1, top[-1] + 1)), "every row was in view"
        assert top[-1] > MESSAGES
        ann.page.evaluate("() => window.seen.clear()")
        scroll(ann.page, 500, f"{LOG}.dataset.end === 'true'")
    seen = ann.page.evaluate("[...window.seen].sort((a, b) => a - b)")
    assert seen == list(range(1, seen[-1] + 1))
    assert ann.page.evaluate("window.jumps") == []
    assert ann.page.evaluate("window.most") <= 120
