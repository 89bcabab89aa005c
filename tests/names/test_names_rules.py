"""Which names may be chosen, and which look like others."""

import pytest

from chatsrv_names import account_name_problem, skeleton, title_problem
from chatsrv_names.rules import RESERVED, SERVER
from chatsrv_names.unicode_data import scripts_of
from chatsrv_protocol.fields import FORBIDDEN

UNSEEN = [
    "\u2800", "\u115f", "\u1160", "\uffa0", "\u034f", "\ufe0f", "\U00016fe4", "\U000e0041", "\u17b4", "\u180b", "\u3164",
    "\u00ad", "\u200b", "\u200c", "\u200d", "\u202e", "\u2066", "\U0001d159", "\U0001bca0", "\ue000", "\u0378", "\u2028",
]  # fmt: skip


@pytest.mark.parametrize("character", UNSEEN)
@pytest.mark.parametrize("name", ["{}", "bob{}", "{}bob", "b{}ob", "小{}明"])
def test_what_cannot_be_seen_is_in_no_name(character: str, name: str) -> None:
    chosen = name.format(character)
    assert account_name_problem(chosen)
    assert title_problem(chosen)
    assert title_problem(chosen, of_person=True)


def test_what_the_wire_forbids_no_name_may_have() -> None:
    for low, high, _ in FORBIDDEN:
        for code in range(low, high + 1):
            assert account_name_problem(f"a{chr(code)}b"), hex(code)
            assert title_problem(f"a{chr(code)}b"), hex(code)


@pytest.mark.parametrize(
    "name",
    [
        "ann", "Ann-Marie", "o'neil", "ann_2", "007", "小明", "さくらサクラ桜", "民수", "김민수k", "ㄅㄆ注音", "иван", "Ελλάς",
        "zoé", "zoe\u0301", "Việt", "สมชาย", "कमल", "ক্ষ",
        "می\u200cخواهم", "क्\u200dष", "❤️", "👨\u200d👩\u200d👧", "👩🏽\u200d💻", "🇨🇳",
        "1️⃣",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "مرحبا123",
        "ᠮᠣᠩᠭᠣᠯ", "ｂｏｂ", "ペーター", "々木", "ab.c",
    ],
)  # fmt: skip
def test_names_that_people_have(name: str) -> None:
    assert account_name_problem(name) is None
    assert title_problem(name) is None
    assert title_problem(name, of_person=True) is None


@pytest.mark.parametrize(
    "name",
    [
        "\u0301", "\u0301a", "a" + "\u0301" * 5, "p\u0430ypal", "b\u03bfb", "аdmin1", "1234567890", "١٢٣٤٥٦٧٨٩٠", "два\u0062",
        "한сёл",
    ],
)  # fmt: skip
def test_names_that_deceive(name: str) -> None:
    assert account_name_problem(name)
    assert title_problem(name)


@pytest.mark.parametrize("name", [*sorted(RESERVED), "System", "ＳＹＳＴＥＭ", "ALL", "аll", "Aⅼl"])
def test_names_that_mean_the_server_or_everybody(name: str) -> None:
    assert account_name_problem(name)
    assert title_problem(name, of_person=True)
    assert title_problem(f"@{name}", of_person=True)


@pytest.mark.parametrize("name", [*sorted(SERVER), "System", "ＳＹＳＴＥＭ", "@system", "ѕystem"])
def test_what_means_the_server_is_no_groups_name(name: str) -> None:
    assert title_problem(name)


@pytest.mark.parametrize("name", [*sorted(RESERVED - SERVER), "System news", "systems", "the operator"])
def test_groups_are_called_as_no_person_may_be(name: str) -> None:
    assert title_problem(name) is None


@pytest.mark.parametrize("name", ["ann lee", "@ann", "＠ann"])
def test_what_only_an_account_may_not_be_called(name: str) -> None:
    assert account_name_problem(name)
    assert title_problem(name) is None


@pytest.mark.parametrize(
    "title", ["Чат Python-разработчиков", "Кофе & Bar", "C++ 学习", "Café — 2026", "東京 Tokyo Токио", "all"]
)
def test_titles_have_words_of_several_scripts(title: str) -> None:
    assert title_problem(title) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("paypal", "p\u0430yp\u0430l"), ("cop", "сор"), ("COP", "СОР"), ("bob", "b0b"), ("Iris", "lris"), ("ann", "ANN"),
        ("modern", "modem"), ("é", "e\u0301"), ("❤️", "❤"), ("bill", "biⅼl"), ("scope", "ѕсоре"), ("ロ", "口"), ("b|ll", "blll"),
    ],
)  # fmt: skip
def test_names_that_look_alike(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"), [("ann", "anna"), ("zoe", "zoé"), ("小明", "小名"), ("u2", "u3"), ("iris", "lris")]
)
def test_names_that_do_not(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def test_scripts() -> None:
    assert [sorted(scripts_of(character)) for character in "a1ж小ー\u0301"] == [
        ["Latn"], ["Zyyy"], ["Cyrl"], ["Hani"], ["Hira", "Kana"], ["Zinh"],
    ]  # fmt: skip
    assert "Zyyy" in scripts_of("\U0010ffff"), "not assigned"
