"""RESP, the protocol of Redis and Valkey, without I/O: commands as bytes, and replies from bytes that come in pieces.

Version 3 has types of its own for what nobody asked for (a push, such as a message of a channel), for maps and for null.
Replies that no command of the bus gets are read all the same, so that a reply of a newer server does not end the connection.
"""

from typing import Final, TypeAlias

import attrs

MAX_BULK_BYTES: Final = 128 * 2**20
"""A string of more is refused. A blob has at most outgoing.MAX_WAITING_BYTES, give or take what its parts are wrapped in."""

MAX_LINE_BYTES: Final = 64 * 1024
"""The longest line: an error with a long explanation, or a number."""

MAX_ITEMS: Final = 1_024
"""Elements of one array, map or push."""

MAX_DEPTH: Final = 8
"""Arrays in arrays."""

_LINES: Final = b"+-:_#,("
_STRINGS: Final = b"$!="
_AGGREGATES: Final = b"*>~%"
_KINDS: Final = _LINES + _STRINGS + _AGGREGATES
_ERRORS: Final = b"-!"


class RespError(Exception):
    """What came is not RESP, or larger than any reply may be."""


class Push(list["Reply"]):
    """What the server says without being asked; its kind is the first value."""


@attrs.frozen
class ErrorReply:
    """The server refused a command. `text` begins with a code, such as NOAUTH."""

    text: str

    @property
    def code(self) -> str:
        """The first word."""
        return self.text.partition(" ")[0]


Reply: TypeAlias = int | bytes | ErrorReply | list["Reply"] | None
"""A map is a list of its keys and values in turn; a boolean, a double and a big number are bytes."""


def encode_command(*parts: bytes) -> bytes:
    """Return a command and its arguments as bytes."""
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


def push_start(*values: bytes) -> bytes:
    """Return how a push of so many values and one more begins, up to the length of that one: see RespParser."""
    return b">%d\r\n" % (len(values) + 1) + b"".join([b"$%d\r\n%b\r\n" % (len(each), each) for each in values]) + b"$"


class _Incomplete(Exception):
    """The reply goes on in the next piece, at least up to `end`."""

    def __init__(self, end: int) -> None:
        self.end: Final = end


class RespParser:
    """Reads replies. A push that begins with `start` (push_start) is returned as its last value alone: that is quicker."""

    def __init__(self, start: bytes = b"", max_bulk_bytes: int = MAX_BULK_BYTES) -> None:
        self._start = start
        self._max_bulk_bytes = max_bulk_bytes
        self._pieces: list[bytes] = []  # of a reply that is not whole yet
        self._held = 0  # bytes of these
        self._wanted = 0  # bytes that it has at least

    def feed(self, data: bytes, heard: list[bytes]) -> list[Reply]:
        """Take a piece; return the replies that are whole now. Those that begin with `start` are appended to `heard`.

        Raises RespError, and is of no use after that.
        """
        if self._pieces:
            self._pieces.append(data)
            self._held += len(data)
            if self._held < self._wanted:
                return []
            data = b"".join(self._pieces)
            self._pieces = []
        replies: list[Reply] = []
        at, end, start = 0, len(data), self._start
        try:
            while at < end:
                if start and data.startswith(start, at):
                    text, at = self._string(data, at + len(start))
                    heard.append(text or b"")
                else:
                    reply, at = self._reply(data, at, 0)
                    replies.append(reply)
        except _Incomplete as incomplete:
            self._wanted = incomplete.end - at
            if self._wanted > self._max_bulk_bytes + MAX_LINE_BYTES:
                raise RespError(f"a reply of more than {self._max_bulk_bytes} bytes") from None
            self._pieces = [data[at:]]
            self._held = end - at
        return replies

    def _reply(self, data: bytes, at: int, depth: int) -> tuple[Reply, int]:
        """Return the reply that begins at `at`, and where it ends."""
        if at == len(data):
            raise _Incomplete(at + 1)
        kind = data[at : at + 1]
        if kind not in _KINDS:
            raise RespError(f"a reply that begins with {kind!r}")
        if kind in _STRINGS:
            text, at = self._string(data, at + 1)
            return (ErrorReply(_text(text)) if text is not None and kind in _ERRORS else text), at
        line, at = _line(data, at + 1)
        if kind in _AGGREGATES:
            return self._aggregate(kind, line, data, at, depth)
        if kind == b":":
            return _number(line), at
        if kind == b"_":
            return None, at
        return (ErrorReply(_text(line)) if kind in _ERRORS else line), at

    def _string(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        """Return the string whose length is at `at`, and where it ends; None for null."""
        line, at = _line(data, at)
        size = _number(line)
        if size == -1:
            return None, at
        if not 0 <= size <= self._max_bulk_bytes:
            raise RespError(f"a string of {size} bytes")
        end = at + size
        if len(data) < end + 2:
            raise _Incomplete(end + 2)
        if not data.startswith(b"\r\n", end):
            raise RespError("a string that is longer than it says")
        return data[at:end], end + 2

    def _aggregate(self, kind: bytes, line: bytes, data: bytes, at: int, depth: int) -> tuple[Reply, int]:
        count = _number(line)
        if count == -1:
            return None, at
        if not 0 <= count <= MAX_ITEMS:
            raise RespError(f"a reply with {count} elements")
        if depth == MAX_DEPTH:
            raise RespError("a reply that is nested too deep")
        values: list[Reply] = Push() if kind == b">" else []
        for _ in range(2 * count if kind == b"%" else count):
            value, at = self._reply(data, at, depth + 1)
            values.append(value)
        return values, at


def _line(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the rest of the line, and where the next begins."""
    end = data.find(b"\r\n", at, at + MAX_LINE_BYTES + 2)
    if end < 0:
        if len(data) - at > MAX_LINE_BYTES + 1:
            raise RespError("a line that does not end")
        raise _Incomplete(len(data) + 1)
    return data[at:end], end + 2


def _number(line: bytes) -> int:
    digits = line[1:] if line[:1] == b"-" else line
    if not digits.isdigit() or len(digits) > 19:
        raise RespError("a number that is none")
    return int(line)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
