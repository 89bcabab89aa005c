"""The docstrings of the public library say which errors escape, and those of the client's commands name their codes."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import chatsrv
from chatsrv.client import commands
from chatsrv_protocol.registry import REFUSALS

FOLDER = Path(commands.__file__).parent
OF_THE_LIBRARY = frozenset({"client_id_conflict", "client_id_expired"})
"""Codes that the client's own handling of client ids avoids."""

CODES = {command.__name__: {code.value for code in codes} - OF_THE_LIBRARY for command, codes in REFUSALS.items()}


def command_methods() -> Iterator[tuple[str, ast.AsyncFunctionDef, set[str]]]:
    """(its name, the method, the codes of the commands that it sends) of each public method of the client's subjects."""
    for path in sorted(FOLDER.glob("*.py")):
        classes = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ClassDef)]
        for cls in classes:
            for method in cls.body:
                if isinstance(method, ast.AsyncFunctionDef) and not method.name.startswith("_"):
                    named = {node.id for node in ast.walk(method) if isinstance(node, ast.Name)} & CODES.keys()
                    yield f"{cls.name}.{method.name}", method, {code for name in named for code in CODES[name]}


METHODS = [each for each in command_methods() if each[2]]


@pytest.mark.parametrize(("name", "method", "codes"), METHODS, ids=[name for name, _, _ in METHODS])
def test_a_method_names_the_codes_that_it_may_be_refused_with(
    name: str, method: ast.AsyncFunctionDef, codes: set[str]
) -> None:
    text = ast.get_docstring(method) or ""
    if name.startswith("PeopleCommands.my_profile"):  # it asks by a command that changes nothing
        return
    said = set(re.findall(r"[a-z_]+", text))
    renamed = {"session_ended"} if "SessionEnded" in text else set[str]()
    assert sorted(codes - said - renamed) == []


def test_there_are_methods() -> None:
    assert len(METHODS) > 60


EXPORTED = sorted(name for name in chatsrv.__all__ if not name.startswith("_") and name != "Event")


@pytest.mark.parametrize("name", EXPORTED)
def test_what_is_exported_says_what_it_is_and_what_escapes(name: str) -> None:
    exported = getattr(chatsrv, name)
    text = inspect.getdoc(exported) or ""
    assert text.split("\n\n")[0].endswith((".", ":")), name
    if inspect.isfunction(exported):
        assert "aises" in text, "which errors escape"
