"""What may reach a terminal: names and messages are other people's, and a terminal obeys what it is shown.

Control characters move the cursor and rewrite the screen, escape sequences do worse, direction characters show text
in an order that was not written, invisible ones make two names look alike. All output goes through here.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from chatsrv_protocol.fields import FORBIDDEN

_RANGES: Final = "".join(f"{chr(low)}-{chr(high)}" for low, high, _ in FORBIDDEN)
_SURROGATES: Final = "\ud800-\udfff"
_TAGS: Final = "\U000e0000-\U000e007f"
_NONCHARACTERS: Final = "\ufffe\uffff"

_UNSAFE: Final = re.compile(f"[{_RANGES}{_SURROGATES}{_TAGS}{_NONCHARACTERS}]")
_PICTURES: Final = 0x2400  # ␀ ␁ … ␛ …: one sign for each C0 control, U+2421 for delete

CONTINUED: Final = "  │ "
"""Begins every line of a message but its first, so that no message can pass for several."""


def neutralise(text: str) -> str:
    """Return one line that does nothing to a terminal but show what was written: control characters become visible."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_sign, text)


def neutralise_lines(text: str) -> str:
    """Return a text of several lines made safe as `neutralise` does: they stay lines, marked as belonging to the first."""
    lines = text.replace("\r\n", "\n").split("\n")
    return f"\n{CONTINUED}".join(neutralise(line.replace("\t", "    ")) for line in lines)


def json_line(record: Mapping[str, object]) -> str:
    r"""Return one line of JSON: Chinese stays readable, what a terminal would obey is a \u escape, and both parse the same."""
    return _UNSAFE.sub(_escape, json.dumps(record, ensure_ascii=False, separators=(", ", ": ")))


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(_PICTURES + code)
    return "␡" if code == 0x7F else f"‹{code:04X}›"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
