"""Tells a folder from the DSN of a database, in both forms that libpq takes, and keeps passwords out of what is printed."""

import os
import re
from typing import Final

_URI: Final = re.compile(r"\s*postgres(?:ql)?:/")  # one "/": a Path has made one of the two
_KEYWORDS: Final = re.compile(r"[^/=]*=|.*password\s*=", re.DOTALL)

_IN_URI: Final = re.compile(r"(postgres(?:ql)?:/+[^\s:/@]*:)\S*@")
_AFTER_KEYWORD: Final = re.compile(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'?|(?:[^\s\\]|\\.)+)")


def is_dsn(place: str | os.PathLike[str]) -> bool:
    """Whether a place is a database and no folder: `postgresql://…`, `postgres://…` or `host=… dbname=…`.

    A file or folder that exists stays one, also where its name has a `=`; so does a path with a `/` before its first `=`.
    """
    text = os.fspath(place)
    return bool(_URI.match(text) or _KEYWORDS.match(text)) and not os.path.lexists(text)


def hide_passwords(text: str) -> str:
    """Return a text as it may be printed: `…` in place of what could be the password of a DSN in it."""
    return _AFTER_KEYWORD.sub(r"\1…", _IN_URI.sub(r"\1…@", text))
