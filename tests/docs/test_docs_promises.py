"""What docs/promises.md, SECURITY.md and others say about tests is true: every test they name exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
ROOT = TESTS.parent
NAMED = re.compile(r"\b(test_\w+\.py)::(\w+)")


@cache
def functions_of(file: str) -> frozenset[str]:
    """The names of a file's tests; machines of Hypothesis are assigned."""
    path = next(TESTS.rglob(file), None)
    if path is None:
        return frozenset()
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(names)


@pytest.mark.parametrize(
    "document", ["docs/promises.md", "SECURITY.md", "docs/limits.md", "docs/mutation.md", "docs/simulation.md"]
)
def test_every_test_that_is_named_exists(document: str) -> None:
    named = NAMED.findall((ROOT / document).read_text())
    assert named
    assert [f"{file}::{name}" for file, name in named if name not in functions_of(file)] == []


def test_every_promise_is_held_by_a_test() -> None:
    _, *sections = (ROOT / "docs/promises.md").read_text().split("\n## ")
    assert [int(section.partition(".")[0]) for section in sections] == list(range(1, 16))
    assert all(NAMED.search(section) for section in sections)
