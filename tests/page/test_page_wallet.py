"""The wallet in the page: every transfer once, in order, and their sum is the balance."""

import re
import time

from playwright.sync_api import expect
from support.page_kit import WAIT_MS, Town

TRANSFERS = 120


def test_the_statement_is_complete_in_order_and_sums_to_the_balance(town: Town):
    ann = town.person("rich")
    town.grant("rich", *range(1, TRANSFERS + 1))
    ann.page.get_by_role("button", name=re.compile("^Me")).click()
    ann.page.get_by_role("button", name="Statement", exact=True).click()
    total = sum(range(1, TRANSFERS + 1))
    dialog = ann.page.get_by_role("dialog", name="Wallet", exact=True)
    expect(dialog).to_contain_text(f"¥{total / 100:.2f}")
    box = dialog.get_by_role("region", name="Statement", exact=True)
    deadline = time.monotonic() + WAIT_MS / 1000
    while f"{TRANSFERS} transfers" not in box.inner_text():
        assert time.monotonic() < deadline
        box.evaluate("element => element.scrollTo(0, element.scrollHeight)")
        ann.page.wait_for_timeout(20)
    rows = box.get_by_role("list").get_by_role("listitem").locator("b").all_inner_texts()
    assert rows == [f"+¥{cents / 100:.2f}" for cents in range(TRANSFERS, 0, -1)]
    form = dialog.get_by_role("form", name="Withdraw", exact=True)
    form.get_by_label("Amount (¥)", exact=True).fill("1000")
    form.get_by_role("button", name="Withdraw", exact=True).click()
    expect(dialog.get_by_role("alert")).to_have_text("Your wallet does not hold that much.")
    ann.page.once("dialog", lambda asked: asked.accept())
    form.get_by_label("Amount (¥)", exact=True).fill("0.60")
    form.get_by_role("button", name="Withdraw", exact=True).click()
    expect(form.get_by_role("status")).to_have_text("¥0.60 was taken out.")
    expect(dialog).to_contain_text(f"¥{(total - 60) / 100:.2f}")
    expect(box.get_by_role("list").get_by_role("listitem").locator("b").first).to_have_text("−¥0.60")
    town.grant("rich", 7)
    first = box.get_by_role("list").get_by_role("listitem").locator("b").first
    expect(first).to_have_text("+¥0.07")
    expect(box).to_contain_text(f"{TRANSFERS + 2} transfers")
