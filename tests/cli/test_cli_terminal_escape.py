"""Whatever people write, a terminal only shows it."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatsrv.cli.terminal_escape import json_line, neutralise, neutralise_lines
from chatsrv_protocol.fields import FORBIDDEN

ANY_TEXT = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain text", "plain text"),
        ("红包 émoji 👩‍👩‍👧 ok", "红包 émoji 👩‍👩‍👧 ok"),
        ("\x1b[2J\x1b]0;owned\x07", "␛[2J␛]0;owned␇"),
        ("a\rb\nc\td", "a␍b␊c␉d"),
        ("del\x7f csi\x9b31m", "del␡ csi‹009B›31m"),
        ("abc\u202edcba", "abc‹202E›dcba"),
        ("zero\u200bwidth\ufeff", "zero‹200B›width‹FEFF›"),
        ("half \ud800 pair", "half ‹D800› pair"),
        ("tag \U000e0041", "tag ‹E0041›"),
    ],
)
def test_what_could_act_is_shown_as_a_sign(written: str, shown: str) -> None:
    assert neutralise(written) == shown


@given(ANY_TEXT)
def test_nothing_that_acts_is_left(text: str) -> None:
    for shown in (neutralise(text), json_line({text: text})):
        assert not any(low <= ord(c) <= high for c in shown for low, high, _ in FORBIDDEN)
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
        assert unicodedata.bidirectional("\u202e") not in {unicodedata.bidirectional(c) for c in shown}


@given(ANY_TEXT)
def test_a_message_stays_one_message(text: str) -> None:
    first, *others = neutralise_lines(text).split("\n")
    assert not first.startswith("  │ ") or text.startswith("  │ ")
    assert all(line.startswith("  │ ") for line in others)


@given(st.dictionaries(ANY_TEXT, ANY_TEXT))
def test_json_is_one_line_and_says_exactly_what_was_said(record: dict[str, str]) -> None:
    line = json_line(record)
    assert "\n" not in line
    assert json.loads(line) == {_paired(key): _paired(value) for key, value in record.items()}


def _paired(text: str) -> str:
    """JSON cannot tell two halves of a surrogate pair from the character they make."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def test_json_shows_chinese_as_it_is() -> None:
    assert json_line({"text": "恭喜发财 \x1b"}) == '{"text": "恭喜发财 \\u001b"}'
