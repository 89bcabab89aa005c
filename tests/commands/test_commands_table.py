"""Every command has a handler and nothing else has one; every code that can be refused with is in the specification."""

import ast
from collections.abc import Iterator
from pathlib import Path

from chatsrv.commands.table import HANDLERS
from chatsrv.media.errors import MediaCode
from chatsrv.net.connection import _ON_THE_WIRE
from chatsrv_protocol import ErrorCode, is_command
from chatsrv_protocol.registry import BY_NUMBER, REFUSALS

ROOT = Path(__file__).parent.parent.parent
SOURCES = [*ROOT.glob("src/chatsrv/**/*.py"), *ROOT.glob("storage/chatsrv_storage/**/*.py")]
ELSEWHERE = {"backup_failed", *MediaCode}
"""What the operator's handler says in the wire's words, and what the HTTP side alone answers."""


def test_every_command_has_a_handler_and_nothing_else() -> None:
    commands = {cls for number, cls in BY_NUMBER.items() if is_command(number)}
    assert set(HANDLERS) == commands


def codes(path: Path) -> Iterator[tuple[str, str]]:
    """(where, code) of the first argument of every Refusal made in a file, and of super().__init__ in its subclasses."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        made: list[ast.Call] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal":
            made.append(node)
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)] if isinstance(node, ast.ClassDef) else []
        if "Refusal" in bases:
            made += [
                each
                for each in ast.walk(node)
                if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == "__init__"
            ]
        for call in made:
            if not call.args:
                continue
            where, code = f"{path.relative_to(ROOT)}:{call.lineno}", call.args[0]
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield where, code.value
            elif isinstance(code, ast.Attribute) and isinstance(code.value, ast.Name) and code.value.id == "ErrorCode":
                yield where, str(getattr(ErrorCode, code.attr))


def test_every_refusal_has_a_code_of_the_specification() -> None:
    known = {str(code) for code in ErrorCode} | set(_ON_THE_WIRE) | ELSEWHERE
    found = [each for path in SOURCES for each in codes(path)]
    assert len(found) > 50, "the scan finds what it looks for"
    assert [each for each in found if each[1] not in known] == []


def test_codes_of_the_storage_have_a_name_on_the_wire() -> None:
    for code, named in _ON_THE_WIRE.items():
        assert code not in set(ErrorCode)
        assert named in set(ErrorCode)


def test_every_code_of_the_specification_is_used() -> None:
    sources = "\n".join(
        path.read_text()
        for path in [*SOURCES, *ROOT.glob("protocol/chatsrv_protocol/*.py"), *ROOT.glob("redpack/**/*.py")]
    )
    unused = [
        code
        for code in ErrorCode
        if sources.count(f'"{code}"') < 2
        and sources.count(f"ErrorCode.{code.name}") == sum(code in listed for listed in REFUSALS.values())
    ]
    assert unused == []
