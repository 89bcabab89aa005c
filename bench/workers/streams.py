"""The stream of a group's events as its members receive it, and the proof that all received the same, once, in order.

Every member of a group gets the same bytes. So the bytes that came first are kept, cut into frames once, and what any
other connection receives is compared with them byte by byte, wherever the network cut it. At the end the kept stream
is decoded: numbers without a gap, every message once, those of each sender in their order.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from bench.workers.sockets import ClientSocket
from bench.workers.wire import (
    MESSAGE,
    SENT_MARK,
    Said,
    count_frames,
    cut_tcp,
    cut_websocket,
    frames_of,
    kind_of,
    said,
    unpack,
)


class WrongStream(Exception):
    """A member received something else than the others."""


class GroupStream:
    """What the members of one group receive."""

    __slots__ = ("bounds", "cut", "group_id", "kept", "known", "last", "last_at", "totals", "websocket")

    def __init__(self, group_id: int, *, websocket: bool) -> None:
        self.group_id = group_id
        self.websocket = websocket
        self.cut = cut_websocket if websocket else cut_tcp
        self.kept = bytearray()
        self.bounds: list[int] = [0]
        self.totals: list[int] = [0]
        self.known: dict[int, None] = {0: None}
        self.last = b""
        self.last_at = -1

    def accept(self, at: int, data: bytes) -> int:
        """Return bytes that a member received at a place of its stream: the place after them. Raises WrongStream."""
        if at == self.last_at and data == self.last:
            return at + len(data)
        kept = self.kept
        there = len(kept) - at
        if there >= len(data):
            if not kept.startswith(data, at):
                raise WrongStream(self._difference(at, data))
            self.last_at, self.last = at, data
        else:
            if there and not data.startswith(bytes(kept[at:])):
                raise WrongStream(self._difference(at, data))
            self._extend(data[there:] if there else data)
        return at + len(data)

    def _extend(self, data: bytes) -> None:
        kept, bounds = self.kept, self.bounds
        kept += data
        at = bounds[-1]
        while True:
            start, end = self.cut(kept, at)
            if not end or end > len(kept):
                return
            place = kind_of(kept, start + 4)
            if not 0x80 <= place < 0xC0:
                body = unpack(bytes(kept[start + 4 : end]))
                raise WrongStream(f"group {self.group_id}: a member was sent {body!r:.300}")
            bounds.append(end)
            self.known[end] = None
            self.totals.append(self.totals[-1] + (count_frames(kept, start, end) if self.websocket else 1))
            at = end
            if at == len(kept):
                return

    def delivered(self, at: int) -> int:
        """Return how many whole events end at or before this place."""
        return self.totals[bisect_right(self.bounds, at) - 1]

    @property
    def events(self) -> int:
        """How many whole events there are."""
        return self.totals[-1]

    def _difference(self, at: int, data: bytes) -> str:
        kept = bytes(self.kept[at : at + len(data)])
        differs = next((i for i, pair in enumerate(zip(kept, data, strict=False)) if pair[0] != pair[1]), len(kept))
        around = slice(max(0, differs - 16), differs + 32)
        return f"group {self.group_id}: at byte {at + differs} a member has {data[around]!r}, others {kept[around]!r}"

    def messages(self) -> Iterator[tuple[int, int, Said]]:
        """Yield (end of the unit it came in, its sequence number, what it says) of every message. Raises WrongStream."""
        expected = 0
        for begin, end in zip(self.bounds, self.bounds[1:], strict=False):
            start, _ = self.cut(self.kept, begin)
            for body in frames_of(self.kept, start, end):
                fields = unpack(body)
                if fields[0] != MESSAGE or fields[1] != 0 or fields[2] != self.group_id:
                    raise WrongStream(f"group {self.group_id}: an unexpected event {fields!r:.300}")
                if expected and fields[3] != expected:
                    raise WrongStream(f"group {self.group_id}: after {expected - 1} came {fields[3]}")
                expected = fields[3] + 1
                yield end, fields[3], said(fields[10])

    def digest(self) -> str:
        """Return the digest of the whole stream, to compare what several processes received."""
        return hashlib.sha256(self.kept).hexdigest()


class Member:
    """One connection of a load process: where it stands in its group's stream, and (for senders) what is unanswered."""

    __slots__ = (
        "arrivals", "at", "lead", "leftover", "link", "out", "place", "queue", "requests", "sender", "stream",
    )  # fmt: skip

    def __init__(self, link: ClientSocket, place: int, stream: GroupStream, *, sender: bool) -> None:
        self.link = link
        self.place = place
        self.stream = stream
        self.sender = sender
        self.at = 0
        self.lead = 6 if link.websocket else 4
        self.leftover: bytes = b""
        self.out = b""
        self.queue: list[bytes] = []
        self.requests: dict[int, tuple[int, int]] = {}
        self.arrivals: list[int] = []

    def take(self, data: bytes) -> list[list[Any]]:
        """Return what a sender received: events go to the stream, the replies between them are answered."""
        if self.leftover:
            data = self.leftover + data
            self.leftover = b""
        stream = self.stream
        replies: list[list[Any]] = []
        at, end = 0, len(data)
        while at < end:
            start, unit = stream.cut(data, at)
            if not unit:
                break
            if kind_of(data, start + 4) < 0x80:
                if unit > end:
                    break
                replies += [unpack(body) for body in frames_of(data, start, unit)]
                at = unit
                continue
            if self.at < len(stream.kept):  # others had it before
                mark = data.find(SENT_MARK, at)
                stop = mark - self.lead if mark >= 0 else end
                chunk = data[at:stop]
                if self.at + len(chunk) in stream.known and stream.kept.startswith(chunk, self.at):
                    self.at += len(chunk)
                    at = stop
                    continue
            if unit > end:
                break
            self.at = stream.accept(self.at, data[at:unit])
            at = unit
        if at < end:
            self.leftover = data[at:]
        return replies
