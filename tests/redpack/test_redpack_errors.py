"""Errors carry a stable code, a sentence and a field, and tell their three kinds apart."""

from __future__ import annotations

import ast
from enum import StrEnum
from pathlib import Path

import pytest

import chatsrv_redpack
from chatsrv_redpack.errors import Code, CorruptError, InvalidError, Problem, RedpackError, RefusedError
from chatsrv_redpack.ledger import AccountKind, TransferKind
from chatsrv_redpack.lifecycle import Grab, refusal
from chatsrv_redpack.limits import Mode
from chatsrv_redpack.packet import Event, PacketState

PACKAGE = Path(chatsrv_redpack.__file__).parent


def test_an_error_says_what_where_and_why() -> None:
    error = InvalidError(Code.BAD_COUNT, "a packet has at most 500 shares", "count")
    assert (error.code, error.field, str(error)) == ("bad_count", "count", "a packet has at most 500 shares")
    assert isinstance(error, RedpackError)
    assert not isinstance(error, RefusedError)
    assert CorruptError("the books are torn").code is Code.CORRUPT
    assert CorruptError("the books are torn").field is None
    torn = CorruptError("the books are torn", "balances")
    assert (torn.message, torn.field) == ("the books are torn", "balances")


def test_every_code_is_used() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py"))
    assert [code.name for code in Code if f"Code.{code.name}" not in sources] == []


def test_a_refused_grab_and_its_error_share_a_code() -> None:
    for answer in Grab:
        if answer is Grab.OPEN_TO_YOU:
            with pytest.raises(KeyError):
                refusal(answer)
        else:
            refused = refusal(answer)
            assert (refused.code, refused.field) == (answer.value, "packet_id")
            assert "this packet" in refused.message


@pytest.mark.parametrize("words", [Code, PacketState, Event, Grab, Mode, AccountKind, TransferKind])
def test_a_word_that_is_stored_or_sent_is_its_name(words: type[StrEnum]) -> None:
    assert [word.value for word in words] == [word.name.lower() for word in words]


def test_a_problem_reads_as_a_sentence() -> None:
    assert str(Problem("wrong_balance", "wallet:7", "stored 5 cents, the transfers make 4")) == (
        "wallet:7: stored 5 cents, the transfers make 4"
    )


def test_the_library_reaches_nothing_but_pure_standard_modules() -> None:
    """No clock, randomness, files, sockets or logging: whoever needs one passes it in."""
    allowed = {"__future__", "chatsrv_redpack", "collections", "dataclasses", "enum", "hashlib", "hmac", "re", "struct"}
    allowed |= {"typing"}
    imported: dict[str, str] = {}
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0]: path.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported[(node.module or "").partition(".")[0]] = path.name
    assert {name: where for name, where in imported.items() if name not in allowed} == {}
    assert "hmac" in imported


def test_what_is_exported_exists() -> None:
    assert sorted(set(chatsrv_redpack.__all__)) == sorted(chatsrv_redpack.__all__)
    assert [name for name in chatsrv_redpack.__all__ if not hasattr(chatsrv_redpack, name)] == []
