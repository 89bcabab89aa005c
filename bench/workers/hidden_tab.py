"""A tab that is really hidden: Chromium driven by its own protocol, since playwright tells every page that it is visible."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs
import trio
import trio_websocket

from bench.scenarios.conversation import Failed

START_SECONDS: Final = 60
MAX_MESSAGE: Final = 2**24
LOG_IN: Final = """
(async () => {
  const [name, password] = document.querySelectorAll("form input");
  name.value = %s;
  password.value = %s;
  document.querySelector("button[value=login]").click();
  for (let tries = 0; !document.querySelector(".chats") && tries < 600; tries++) await new Promise((done) => setTimeout(done, 50));
  return !!document.querySelector(".chats");
})()
"""


@attrs.define
class Devtools:
    """A connection of the browser's protocol: one command at a time."""

    socket: trio_websocket.WebSocketConnection
    opened: int = 0
    """WebSockets that watched pages opened."""

    _last: int = 0

    async def send(self, method: str, session: str = "", **params: Any) -> Any:
        """Send a command and wait for its result. Raises Failed where the browser refuses it."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params, **({"sessionId": session} if session else {})}
        await self.socket.send_message(json.dumps(message))
        while (answer := await self._next()).get("id") != self._last:
            pass
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']}")
        return answer["result"]

    async def watch(self, seconds: float) -> None:
        """Read events for some time."""
        with trio.move_on_after(seconds):
            while True:
                await self._next()

    async def evaluate(self, session: str, code: str) -> Any:
        """Return the value of an expression in a page."""
        result = await self.send("Runtime.evaluate", session, expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise Failed(f"in the page: {result['exceptionDetails']}")
        return result["result"].get("value")

    async def _next(self) -> dict[str, Any]:
        message = json.loads(await self.socket.get_message())
        self.opened += message.get("method") == "Network.webSocketCreated"
        return message


@asynccontextmanager
async def open_devtools(flags: tuple[str, ...]) -> AsyncGenerator[Devtools]:
    """Start a Chromium. Raises Failed."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise Failed("page needs Debian's chromium")
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-", ignore_cleanup_errors=True) as profile:
        process = _start([chromium, "--headless", *flags, f"--user-data-dir={profile}", "--remote-debugging-port=0"])
        try:
            with trio.fail_after(START_SECONDS):
                url = await trio.to_thread.run_sync(_address, process)
            async with trio_websocket.open_websocket_url(url, max_message_size=MAX_MESSAGE) as socket:
                yield Devtools(socket)
        finally:
            process.terminate()
            await trio.to_thread.run_sync(process.communicate)


def _start(command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _address(process: "subprocess.Popen[bytes]") -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(rb"ws://\S+", line):
            return found[0].decode()
    raise Failed("chromium does not start")


async def keep_hidden(url: str, name: str, password: str, seconds: float, flags: tuple[str, ...]) -> dict[str, Any]:
    """Log in, hide the tab behind another one, wait; how many connections it opened meanwhile, and its state at the end."""
    async with open_devtools(flags) as tools:
        target = (await tools.send("Target.createTarget", url="about:blank"))["targetId"]
        session = (await tools.send("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        await tools.send("Network.enable", session)
        await tools.send("Page.navigate", session, url=url)
        with trio.fail_after(START_SECONDS):
            while not await tools.evaluate(session, "!!document.querySelector('form input')"):
                await trio.sleep(0.1)
        if not await tools.evaluate(session, LOG_IN % (json.dumps(name), json.dumps(password))):
            raise Failed("nobody is logged in")
        front = (await tools.send("Target.createTarget", url="about:blank"))["targetId"]
        await tools.send("Target.activateTarget", targetId=front)
        with trio.fail_after(START_SECONDS):
            while not await tools.evaluate(session, "document.hidden"):
                await trio.sleep(0.1)
        before = tools.opened
        await tools.watch(seconds)
        state = await tools.evaluate(session, "document.documentElement.dataset.connection")
        return {"seconds": seconds, "reconnects": tools.opened - before, "state": state}
