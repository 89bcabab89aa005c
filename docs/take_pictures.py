"""Takes the README's pictures from `chatsrv demo`: the page in headless Chromium, and `chatsrv chat` as Textual draws it.

    python docs/take_pictures.py

It wants Debian's chromium, and writes docs/figures/page-desktop.webp, page-phone.webp and chat-terminal.svg. What the demo says
differs in its times from run to run, so that no check compares the pictures.
"""

import asyncio
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import attrs
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from chatsrv.cli.chat.screen import ChatApp
from chatsrv.cli.online import CommandContext, Common
from chatsrv.cli.output import Output

FIGURES: Final = Path(__file__).resolve().parent / "figures"
MAX_BYTES: Final = 150_000
PERSON: Final = "bob"
GROUP: Final = "weekend"
WEB_FONT: Final = re.compile(r"@font-face \{.*?\}", re.DOTALL)
"""Fonts that a picture would load from somebody else's server."""


@attrs.frozen
class Demo:
    """Where the demo's server is, and the password of everybody on it."""

    server: str
    page: str
    password: str


def play(process: subprocess.Popen[str]) -> Demo:
    """Wait until the demo has been played; answers where it goes on. Raises RuntimeError where it failed."""
    assert process.stdout is not None
    for line in process.stdout:
        record = json.loads(line)
        if "page" in record and "password" in record:
            return Demo(record["server"], record["page"], record["password"])
    raise RuntimeError(f"the demo ended with exit code {process.wait()}")


def take_page(browser: Browser, demo: Demo, name: str, width: int, height: int, *, is_phone: bool) -> None:
    """Log in, open the group, and keep what is seen."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=2 if is_phone else 1.5,
        has_touch=is_phone,
        is_mobile=is_phone,
        color_scheme="light",
        locale="en-GB",
    )
    page = context.new_page()
    page.goto(demo.page)
    page.get_by_label("Name", exact=True).fill(PERSON)
    page.get_by_label("Password", exact=True).fill(demo.password)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_role("list", name="Chats", exact=True).get_by_role("button", name=re.compile(f"^{GROUP}")).click()
    log = page.get_by_role("log", name=GROUP, exact=True)
    log.get_by_role("button", name=re.compile("^Red packet: ")).last.evaluate(
        "card => card.scrollIntoView({ block: 'start' })"
    )
    page.wait_for_load_state("networkidle")
    image = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
    path = FIGURES / f"{name}.webp"
    image.convert("RGB").save(path, "WEBP", quality=82, method=6)
    if path.stat().st_size > MAX_BYTES:
        raise RuntimeError(f"{path.name} has {path.stat().st_size} bytes")
    context.close()


def take_terminal(demo: Demo, home: Path) -> None:
    """Log in with the command line, and draw its full screen."""
    os.environ |= {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "CHATSRV_SERVER": demo.server}
    login = [sys.executable, "-m", "chatsrv", "login", PERSON, "--password-stdin"]
    subprocess.run(login, input=f"{demo.password}\n", text=True, check=True, capture_output=True)

    async def draw() -> str:
        app = ChatApp(CommandContext(Common(demo.server, None, json=False), Output()), GROUP)
        async with app.run_test(size=(110, 30)) as pilot:
            try:
                while not app.lines:
                    await pilot.pause(0.1)
                await pilot.pause(1)
                return WEB_FONT.sub("", app.export_screenshot(title=f"chatsrv chat {GROUP}"))
            finally:
                await app.action_quit()  # else Trio's guest would stay

    (FIGURES / "chat-terminal.svg").write_text(asyncio.run(draw()))


def main() -> None:
    """Play the demo, take the pictures, end it."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("Debian's chromium is needed")
    command = [sys.executable, "-m", "chatsrv", "--json", "demo", "--stay"]
    with (
        tempfile.TemporaryDirectory() as home,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL) as process,
    ):
        try:
            demo = play(process)
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
                take_page(browser, demo, "page-desktop", 1120, 800, is_phone=False)
                take_page(browser, demo, "page-phone", 390, 780, is_phone=True)
                browser.close()
            take_terminal(demo, Path(home))
        finally:
            process.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
