"""Whom a text mentions, in scripts with spaces between words and without."""

import unicodedata
from typing import Literal

import pytest

from chatsrv_names import Candidate, find_mentions

PEOPLE = [
    Candidate(2, "bob"), Candidate(3, "Bobby", "the boss"), Candidate(4, "小明"), Candidate(5, "小明明"), Candidate(6, "zoe"),
    Candidate(7, "zoé"), Candidate(8, "민수"), Candidate(9, "สมชาย"), Candidate(10, "иван"), Candidate(11, "❤️"),
    Candidate(12, "eve", "all"), Candidate(13, "fay", "twin"), Candidate(14, "gus", "Twin"), Candidate(15, "می\u200cخواهم"),
    Candidate(16, "さくら"), Candidate(17, "example"), Candidate(18, "hal", "bob"), Candidate(19, "कमल"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "called", "everybody"),
    [
        ("谢谢@bob", [2], False),
        ("请@bob看一下", [2], False),
        ("请\uff20bob看一下", [2], False),
        ("\ufe6bbob", [2], False),
        ("@小明你好", [4], False),
        ("@小明明你好", [5], False),
        ("谢谢@小明。", [4], False),
        ("さくら@さくらさん", [16], False),
        ("@민수야 형@민수", [8], False),
        ("ขอบคุณ@สมชายครับ", [9], False),
        ("@иваном @иван", [10], False),
        ("@иваном", [], False),
        ("@bobпривет", [], False),
        ("@कमला", [], False),
        ("@कमल", [19], False),
        ("@所有人 开会", [], True),
        ("请@所有人开会", [], True),
        ("@全員です", [], True),
        ("@everyone!", [], True),
        ("@all", [], True),
        ("@allgemein", [], False),
        ("@twin", [13, 14], False),
        ("@zoe @zoé", [6, 7], False),
        ("@❤ @❤️", [11], False),
        ("@میخواهم", [15], False),
        ("@BOB_ @bob2 @bobb x@bob 3@bob _@bob @@bob @ bob bob@", [], False),
        ("ann@example.org 用户@example.org", [], False),
        ("用户@example。", [17], False),
        ("e\u0301@bob q\u0301@bob", [], False),
        ("@bob\u200d, @bob\u0301", [2], False),
        ("(@bob) \"@bob\" .@bob -@bob", [2], False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_whom_a_text_mentions(text: str, called: list[int], everybody: bool, form: Literal["NFC", "NFD"]) -> None:
    assert find_mentions(unicodedata.normalize(form, text), PEOPLE) == (called, everybody)


def test_an_account_from_before_goes_before_everybody_and_a_nickname_does_not() -> None:
    assert find_mentions("@all", [Candidate(9, "all")]) == ([9], False)
    assert find_mentions("@all", [Candidate(9, "eve", "all")]) == ([], True)


def test_signs_that_name_nobody_hide_no_other() -> None:
    assert find_mentions("@y" * 800 + " @" + "x" * 32, [Candidate(1, "x" * 32)]) == ([1], False)
