"""The memory bound that `deaf` compares with is the one that docs/limits.md states."""

import re
from pathlib import Path

from bench.scenarios.slow_readers import BASE, bound
from chatsrv.config import Config
from chatsrv_protocol.limits import MAX_OUTBOX_BYTES


def test_the_bound_is_that_of_the_page() -> None:
    page = (Path(__file__).parent.parent.parent / "docs/limits.md").read_text()
    said = re.search(r"\| `BASE` \| ([\d,]+) \|", page)
    assert said is not None
    assert int(said[1].replace(",", "")) == BASE
    assert "connections × BASE + outbox_budget" in page


def test_outboxes_count_as_full_and_never_above_their_budget() -> None:
    budget = Config().outbox_budget
    assert bound(250, 50, budget) == 250 * BASE + 51 * MAX_OUTBOX_BYTES
    assert bound(5000, 5000, budget) == 5000 * BASE + budget + MAX_OUTBOX_BYTES
