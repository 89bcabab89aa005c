"""A smoke run in Firefox ESR, by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/), which it speaks without a driver."""

import json
import re
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
import trio_websocket
from support.chromium import require
from support.page_kit import PASSWORD, require_page, serve

FIREFOX = shutil.which("firefox-esr")
DEADLINE = 120
MAX_MESSAGE = 2**24

FIND = """
const named = (element) => (element.getAttribute("aria-label") ?? element.textContent).trim();
const label = (name) => [...document.querySelectorAll("label")].find((each) => named(each).startsWith(name));
const field = (name) => label(name)?.querySelector("input");
const button = (name) => [...document.querySelectorAll("button")].find((each) => named(each) === name);
const write = (element, text) => {
  element.focus();
  element.value = text;
  element.dispatchEvent(new Event("input", { bubbles: true }));
};
"""


@attrs.define
class Firefox:
    """A page in Firefox: one command at a time. `complaints` is what its console had to say of errors."""

    socket: trio_websocket.WebSocketConnection
    context: str = ""
    complaints: list[str] = attrs.field(factory=list)
    _last: int = 0

    async def send(self, method: str, **params: Any) -> Any:
        """Send a command and wait for its result."""
        self._last += 1
        await self.socket.send_message(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            message = json.loads(await self.socket.get_message())
            if message.get("method") == "log.entryAdded" and message["params"]["level"] == "error":
                self.complaints.append(str(message["params"]["text"]))
            if message.get("id") == self._last:
                assert message["type"] == "success", message
                return message["result"]

    async def run(self, code: str) -> Any:
        """The value of a function's body in the page."""
        expression = f"(() => {{ {FIND} {code} }})()"
        target = {"context": self.context}
        answer = await self.send("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        with trio.fail_after(DEADLINE):
            while not await self.run(f"return !!({condition});"):
                await trio.sleep(0.05)


@asynccontextmanager
async def open_firefox(profile: Path) -> AsyncGenerator[Firefox]:
    """Headless Firefox with a profile of its own, and one page."""
    assert FIREFOX is not None
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    process = await trio.to_thread.run_sync(lambda: subprocess.Popen(command, stderr=subprocess.PIPE))
    try:
        url = await trio.to_thread.run_sync(_address, process)
        async with trio_websocket.open_websocket_url(f"{url}/session", max_message_size=MAX_MESSAGE) as socket:
            firefox = Firefox(socket)
            await firefox.send("session.new", capabilities={})
            await firefox.send("session.subscribe", events=["log.entryAdded"])
            firefox.context = (await firefox.send("browsingContext.create", type="tab"))["context"]
            yield firefox
    finally:
        process.terminate()
        await trio.to_thread.run_sync(process.communicate)


def _address(process: "subprocess.Popen[bytes]") -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(rb"BiDi listening on (ws://\S+)", line):
            return found[1].decode()
    raise AssertionError("Firefox does not start")


async def test_somebody_registers_makes_a_group_talks_and_is_in_after_a_reload(tmp_path: Path):
    require("Debian's firefox-esr", FIREFOX)
    require_page()
    (tmp_path / "profile").mkdir()
    with serve(tmp_path / "data") as served:
        url = served if isinstance(served, str) else served[0]
        async with open_firefox(tmp_path / "profile") as firefox:
            await firefox.send("browsingContext.navigate", context=firefox.context, url=url, wait="complete")
            await firefox.until('field("Name")')
            await firefox.run(f"write(field('Name'), 'foxy'); write(field('Password'), {json.dumps(PASSWORD)});")
            await firefox.run("button('Register').click();")
            await firefox.until('document.querySelector("ul[aria-label=Chats]")')
            await firefox.run("button('New chat').click();")
            await firefox.until("field('Name of the group')")
            await firefox.run("write(field('Name of the group'), 'Burrow'); button('Make').click();")
            await firefox.until('document.querySelector("[role=log][aria-label=Burrow]")')
            await firefox.run(
                "write(document.querySelector('textarea[aria-label=Message]'), 'ring ding'); button('Send').click();"
            )
            await firefox.until(
                "[...document.querySelectorAll('li[data-seq] .text')].some((text) => text.textContent === 'ring ding')"
            )
            await firefox.send("browsingContext.reload", context=firefox.context, wait="complete")
            await firefox.until(
                "[...document.querySelectorAll('ul[aria-label=Chats] li')].some((chat) => chat.textContent.includes('Burrow'))"
            )
            assert not re.search(
                "[0-9a-f]{64}", await firefox.run("return document.cookie + JSON.stringify(localStorage);")
            )
            assert firefox.complaints == []
