"""Times as one types them: 90s, 10m, 2h, 7d, forever."""

import re
from typing import Final

from chatsrv.cli.errors import usage

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
FOREVER_WORD: Final = "forever"


def milliseconds(text: str) -> int | None:
    """Parse a duration such as `10m`; return milliseconds, None for `forever`. Raises Failure."""
    if text == FOREVER_WORD:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhdw])", text)
    if match is None:
        raise usage(f"'{text}' is no time: say 90s, 10m, 2h, 7d or forever")
    return int(match[1]) * _UNITS[match[2]] * 1000


def until(now_ms: int, text: str) -> int:
    """Return when a duration that begins now is over. Raises Failure."""
    from chatsrv_protocol.governing import FOREVER

    lasting = milliseconds(text)
    return FOREVER if lasting is None else now_ms + lasting


def shown(at: int) -> str:
    """Return such a time for a person."""
    from chatsrv.cli.events import clock
    from chatsrv_protocol.governing import FOREVER

    return "for ever" if at == FOREVER else f"until {clock(at)}"
