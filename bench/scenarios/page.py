"""`page`: what the page in the browser costs and how it feels, in headless Chromium against a server process.

One person reads: a chat of many messages with pictures among them, and twenty small ones. Writers are programs on the
client library. Every figure is taken inside the page by its own clock, but `said_to_seen_ms`, which includes the driver.
"""

import gzip
import io
import re
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import trio
from playwright.sync_api import Browser, Page

from bench.scenarios import page_scripts
from bench.scenarios.conversation import Failed
from bench.workers.browser import FLAGS, PASSWORD, devtools, fresh_context, log_in, memory, open_browser, serve
from bench.workers.hidden_tab import keep_hidden
from chatsrv.client import Client, open_client
from chatsrv.http.page_app import FOLDER

READER: Final = "reader"
WRITER: Final = "writer"
LONG: Final = "Long"
CHATS: Final = 20
PICTURE_EVERY: Final = 25
AT_ONCE: Final = 64
"""Messages in flight while the chat is filled."""

LATENCY_MS: Final = 50
BYTES_PER_SECOND: Final = 10_000_000 // 8
FLOOD_GRACE_SECONDS: Final = 120
IMPORT: Final = re.compile(r"(?:from|import)\s*\"\./([^\"]+)\"")
"""A static import in a bundle; those at need are calls: `import("./…")`."""

SWITCHES: Final = 100
TRIES: Final = 5


def run(messages: int, seconds: float, rate: float, hidden_seconds: float) -> dict[str, Any]:
    """Measure all figures. `messages`: in the long chat; `rate` a second for `seconds`: the flood. Raises Failed."""
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as name, serve(Path(name) / "data") as urls:
        with open_browser() as browser:
            reader = log_in(browser, urls["http"], READER, register=True)
            group_id = trio.run(_fill, urls["tcp"], messages)
            size = sizes()
            start = {
                "list_ms": _cold_start(browser, reader, urls["http"], slow=False),
                "list_slow_ms": _cold_start(browser, reader, urls["http"], slow=True),
                "chat_drawn_ms": _open_chat(reader),
            }
            said = _said_to_seen(browser, reader, urls["http"])
            scroll = _scroll(reader, urls["tcp"], group_id, messages)
            flood = _flood(reader, urls["tcp"], group_id, seconds, rate)
            switches = _switch(reader)
        hidden = trio.run(keep_hidden, urls["http"], READER, PASSWORD, hidden_seconds, FLAGS)
    return {
        "options": {"messages": messages, "seconds": seconds, "rate": rate, "hidden_seconds": hidden_seconds},
        "size": size,
        "start": start,
        "said_to_seen_ms": said,
        "scroll": scroll,
        "flood": flood,
        "switches": switches,
        "hidden": hidden,
        "proof": {"how": "every row of the chat stood in the document while it was scrolled"},
    }


def sizes() -> dict[str, int]:
    """Return the gzip bytes of the script that is loaded at first with its imports, of the largest later one, and of the style."""
    packed = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in FOLDER.glob("*-*.*")}
    scripts = {name: size for name, size in packed.items() if name.endswith(".js")}
    first = {name for name in scripts if name.startswith("app-")}
    if not first:
        raise Failed("the page is not built: make page")
    for name in list(first):
        first |= set(IMPORT.findall((FOLDER / name).read_text()))
    return {
        "first_script_bytes": sum(scripts[name] for name in first),
        "largest_chunk_bytes": max((size for name, size in scripts.items() if name not in first), default=0),
        "style_bytes": sum(size for name, size in packed.items() if name.endswith(".css")),
    }


async def _fill(url: str, messages: int) -> int:
    """Make the chats; return the long one's id."""
    from PIL import Image

    picture = io.BytesIO()
    Image.effect_mandelbrot((800, 600), (-2, -1.2, 1, 1.2), 40).convert("RGB").save(picture, "PNG")
    async with open_client(url) as writer:
        await writer.register(WRITER, PASSWORD)
        [person] = await writer.people.find([READER])
        for number in range(CHATS):
            made = await writer.groups.create(f"Chat {number}", [person.user_id])
            await writer.group(made.group_id).send("the first message")
        group_id = (await writer.groups.create(LONG, [person.user_id])).group_id
        picture.seek(0)
        media_id = await writer.media.upload(picture, name="picture.png")
        numbers = iter(range(messages))

        async def write() -> None:
            for number in numbers:
                if number % PICTURE_EVERY == 0:
                    await writer.group(group_id).send_media(media_id)
                else:
                    await writer.group(group_id).send(f"message {number} " + "with some words " * (number % 9))

        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(write)
    return group_id


@contextmanager
def writing(url: str, group_id: int, rate: float, count: int | None, text: str) -> Generator[Callable[[], int]]:
    """Send messages beside: `rate` a second, `count` or until the end; yield a function that returns how many are stored."""
    stopped, done = threading.Event(), [0]

    async def write() -> None:
        async with open_client(url) as writer:
            await writer.login(WRITER, PASSWORD)
            async with trio.open_nursery() as nursery:
                began, number = trio.current_time(), 0
                while not stopped.is_set() and (count is None or number < count):
                    await trio.sleep_until(began + number / rate)
                    nursery.start_soon(say, writer, number)
                    number += 1

    async def say(writer: Client, number: int) -> None:
        await writer.group(group_id).send(f"{text} {number}")
        done[0] += 1

    thread = threading.Thread(target=trio.run, args=(write,))
    thread.start()
    try:
        yield lambda: done[0]
    finally:
        stopped.set()
        thread.join(120)


def _cold_start(browser: Browser, reader: Page, url: str, *, slow: bool) -> float:
    """Return the time from navigation to the list of chats with an empty cache: the median of some."""
    taken: list[float] = []
    for _ in range(TRIES):
        context = fresh_context(browser, reader)
        page = context.new_page()
        page.add_init_script(page_scripts.WATCH_LIST)
        if slow:
            conditions = {"offline": False, "latency": LATENCY_MS}
            conditions |= {"downloadThroughput": BYTES_PER_SECOND, "uploadThroughput": BYTES_PER_SECOND}
            tools = devtools(page)
            tools.send("Network.enable")
            tools.send("Network.emulateNetworkConditions", conditions)
        page.goto(url)
        page.wait_for_function("() => window.listAt > 0")
        taken.append(page.evaluate("window.listAt"))
        context.close()
    return round(sorted(taken)[TRIES // 2], 1)


def _open_chat(reader: Page) -> float:
    """Return the time from the click until the long chat is drawn: the median of some, each after another chat."""
    taken: list[float] = []
    for number in range(TRIES):
        reader.evaluate(page_scripts.OPEN_CHAT, f"Chat {number}")
        taken.append(reader.evaluate(page_scripts.OPEN_CHAT, LONG))
    return round(sorted(taken)[TRIES // 2], 1)


def _said_to_seen(browser: Browser, reader: Page, url: str) -> float:
    """Return the time from Enter in one page until the other shows it, with the driver between: the median of some."""
    other = log_in(browser, url, WRITER)
    other.get_by_role("list", name="Chats", exact=True).get_by_role("button", name=re.compile(f"^{LONG}")).click()
    box = other.get_by_role("textbox", name="Message", exact=True)
    reader.get_by_role("log", name=LONG, exact=True).wait_for()
    to_end = reader.locator(".to-end")
    if to_end.count():
        to_end.click()
    taken: list[float] = []
    for number in range(TRIES):
        box.fill(f"said {number}")
        began = time.monotonic()
        box.press("Enter")
        reader.get_by_role("log").get_by_text(f"said {number}", exact=True).wait_for()
        taken.append((time.monotonic() - began) * 1000)
    other.context.close()
    return round(sorted(taken)[TRIES // 2], 1)


def _scroll(reader: Page, url: str, group_id: int, messages: int) -> dict[str, Any]:
    """Scroll to the first row and back to the end, while ten messages a second come in."""
    tools = devtools(reader)
    with writing(url, group_id, 10, None, "meanwhile"):
        up = reader.evaluate(page_scripts.SCROLL, -900)
        down = reader.evaluate(page_scripts.SCROLL, 900)
    if up["seen"] < messages:
        raise Failed(f"{up['seen']} of {messages} rows were passed on the way up")
    return {
        "largest_move_px": max(up["moved"], down["moved"]),
        "rows_at_most": max(up["rows"], down["rows"]),
        "rows_seen": up["seen"],
        "frames": up["frames"] + down["frames"],
        "heap_bytes": memory(tools)["heap_bytes"],
    }


def _flood(reader: Page, url: str, group_id: int, seconds: float, rate: float) -> dict[str, Any]:
    """Send so many messages a second at the end of the chat."""
    count = round(seconds * rate)
    reader.evaluate(page_scripts.WATCH_FRAMES, "flood")
    with writing(url, group_id, rate, count, "flood") as stored:
        deadline = time.monotonic() + seconds + FLOOD_GRACE_SECONDS
        while stored() < count and time.monotonic() < deadline:
            reader.wait_for_timeout(50)
    if stored() != count:
        raise Failed(f"{stored()} of {count} messages were stored")
    frames = reader.evaluate(page_scripts.FRAMES)
    return {"messages": count, "lost": count - reader.evaluate(page_scripts.COLLECT), **frames}


def _switch(reader: Page) -> dict[str, Any]:
    """Switch between chats a hundred times, after a round through all of them."""
    tools = devtools(reader)
    names = [f"Chat {number}" for number in range(CHATS)]
    for name in names * 2:
        reader.evaluate(page_scripts.OPEN_CHAT, name)
    before = memory(tools)
    for number in range(SWITCHES):
        reader.evaluate(page_scripts.OPEN_CHAT, names[number % CHATS])
    after = memory(tools)
    return {
        "heap_grown_bytes": after["heap_bytes"] - before["heap_bytes"],
        "nodes_grown": after["nodes"] - before["nodes"],
        "heap_bytes": after["heap_bytes"],
        "nodes": after["nodes"],
    }
