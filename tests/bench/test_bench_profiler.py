"""The profile names kinds of work by files of the product: a file that moved takes its kind along, or a test fails."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.reporting import profiler

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = (ROOT / "src", ROOT / "storage", ROOT / "protocol")
_PLACE = re.compile(r"\\\((chatsrv(?:[\w/]|\([\w|/]+\))*)")


def places(pattern: str) -> Iterator[str]:
    """Yield the beginnings of paths that a pattern names after the `(` of a frame, each alternative for itself."""
    for place in _PLACE.findall(pattern):
        parts = [part.split("|") for part in re.split(r"[()]", place)]
        yield from ("".join(chosen) for chosen in itertools.product(*parts))


@pytest.mark.parametrize(("kind", "pattern"), [(kind, each.pattern) for kind, each in profiler._KINDS])
def test_the_places_of_a_kind_exist(kind: str, pattern: str) -> None:
    for place in places(pattern):
        folder, _, name = place.rpartition("/")
        found = [path for each in FOLDERS for path in (each / folder).glob(f"{name}*")]
        assert found, f"{kind}: there is nothing at {place}"


def test_alternatives_are_looked_at_one_by_one() -> None:
    assert list(places(r"load \(chatsrv_storage/(a|b/c)|\(chatsrv/d")) == [
        "chatsrv_storage/a", "chatsrv_storage/b/c", "chatsrv/d",
    ]  # fmt: skip


def test_a_stack_is_put_down_to_its_innermost_kind() -> None:
    stacks = "\n".join(
        (
            "MainThread;run (trio/_core/_run.py:1);_post (chatsrv_storage/groups/transaction.py:9) 3",
            "Thread-1;run_batch (chatsrv_storage/engine/batch.py:9);write (chatsrv_storage/idempotency.py:9) 1",
        )
    )
    kinds = profiler.by_kind(stacks)["kinds"]
    assert kinds == {"trio: SQL: insert and the rest of the transaction": 0.75, "database: SQL: idempotency": 0.25}
