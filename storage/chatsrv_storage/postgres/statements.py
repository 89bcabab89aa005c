"""The texts of statements: what the scripts write for both databases, as PostgreSQL takes it."""

import re
from functools import lru_cache
from typing import Final

_QUOTED: Final = re.compile(r"('(?:[^']|'')*')")
_NUMBER: Final = re.compile(rb"\$(\d+)")
_MARK: Final = re.compile(r"\?|(?<!:):([a-z_]\w*)")

_ROWS_AS_JSON: Final = ("json_group_array(json_array(", "json_agg(json_build_array(")
"""SQLite's words for rows as one JSON array, and PostgreSQL's, which from 16 on has a `json_array` that drops NULLs. No
functions of SQLite's names can be made there: they would take a superuser, and 16 keeps the names for itself.
"""


@lru_cache(4_096)  # lists of keys make a statement for each length
def numbered(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a statement as PostgreSQL takes it: `$1, $2, …` in place of `?` or `:name`, and its functions' names; then the
    names in the order of their numbers.
    """
    names: dict[str, int] = {}
    count = 0

    def number(mark: re.Match[str]) -> str:
        nonlocal count
        if mark[1] is None:
            count += 1
            return f"${count}"
        return f"${names.setdefault(mark[1], len(names) + 1)}"

    parts = [part if place % 2 else _MARK.sub(number, part) for place, part in enumerate(_QUOTED.split(sql))]
    return "".join(parts).replace(*_ROWS_AS_JSON).encode(), tuple(names)


@lru_cache(256)
def joined(statements: tuple[bytes, ...]) -> bytes:
    """Statements that change rows as one: all but the last as common table expressions, their parameters counted on."""
    parts: list[bytes] = []
    count = 0
    for text in statements:
        numbers = [int(number) for number in _NUMBER.findall(text)]
        parts.append(_NUMBER.sub(lambda mark, by=count: b"$%d" % (int(mark[1]) + by), text))
        count += max(numbers, default=0)
    *first, last = parts
    named = b", ".join(b"part%d as (%s)" % (number, part) for number, part in enumerate(first))
    return b"with %s %s" % (named, last) if first else last
