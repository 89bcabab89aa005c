"""The wallet in the page: every transfer once, in order, and their sum is the balance."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import trio
from playwright.sync_api import Browser, expect
from support.page_kit import PASSWORD, open_town

from chatsrv.client import open_client

TRANSFERS = 120


async def top_up(url: str, name: str) -> None:
    async with open_client(url) as client:
        await client.login("treasurer", PASSWORD)
        for cents in range(1, TRANSFERS + 1):
            await client.wallet.grant(name, cents)


def test_the_statement_is_complete_in_order_and_sums_to_the_balance(browser: Browser, tmp_path: Path):
    data = tmp_path / "data"
    with open_town(browser, data) as town:
        town.person("treasurer")
        ann = town.person("rich")
        command = [sys.executable, "-m", "chatsrv", "operator", "add", "treasurer", "--data", str(data)]
        subprocess.run(command, check=True, capture_output=True)
        url = town.url.replace("http:", "ws:")
        with ThreadPoolExecutor(1) as pool:  # the test's thread belongs to the browser
            pool.submit(trio.run, top_up, url, "rich").result()
        ann.page.get_by_role("button", name=re.compile("^Me")).click()
        ann.page.get_by_role("button", name="Statement").click()
        total = sum(range(1, TRANSFERS + 1))
        dialog = ann.page.get_by_role("dialog", name="Wallet")
        expect(dialog).to_contain_text(f"¥{total / 100:.2f}")
        box = dialog.get_by_role("region", name="Statement")
        for _ in range(TRANSFERS):
            if f"{TRANSFERS} transfers" in box.inner_text():
                break
            box.evaluate("element => element.scrollTo(0, element.scrollHeight)")
            ann.page.wait_for_timeout(20)
        rows = box.get_by_role("list").get_by_role("listitem").locator("b").all_inner_texts()
        assert rows == [f"+¥{cents / 100:.2f}" for cents in range(TRANSFERS, 0, -1)]
        town.close()
