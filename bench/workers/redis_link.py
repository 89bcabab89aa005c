"""A load's connection to Redis pub/sub, by RESP3: what it says becomes PUBLISH, what it hears a floor's events and acks.

So one generator loads both, and the same proof holds: every member heard every message once, in one order. Redis numbers
nothing; a message's number is its place in what a connection heard of its channel, which is the same for all who
subscribed before the first message.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from bench.workers.floor_frames import ack, event_head
from bench.workers.sockets import CROWD, ClientSocket, LoginFailed
from bench.workers.wire import SEND_HEAD

MAX_REMEMBERED: Final = 256
"""Translated reads that are kept for the other members of the group, who mostly read the same bytes."""

_remembered: dict[tuple[int, int, bytes], tuple[bytes, int]] = {}


class RedisLink(ClientSocket):
    """One connection, subscribed to one group's channel."""

    __slots__ = ("_acked", "_buffer", "_channel", "_group_id", "_own", "_seq", "_waiting")

    def __init__(self, url: str, group_id: int) -> None:
        super().__init__(url)
        self._group_id = group_id
        self._channel = b"%d" % group_id
        self._buffer = b""
        self._seq = 0
        self._waiting: deque[tuple[int, bytes]] = deque()  # request id and text of what was published and not heard yet
        self._own: deque[tuple[int, int]] = deque()  # request id and number of what was heard and not answered yet
        self._acked = 0  # answered and not heard yet

    def subscribe(self) -> None:
        """Send the first half of the opening."""
        self._socket.sendall(b"HELLO 3\r\nSUBSCRIBE %s\r\n" % self._channel)

    def await_subscription(self) -> None:
        """Wait for the second half of the opening. Raises LoginFailed."""
        end = b"$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n" % (len(self._channel), self._channel)
        while end not in self.received:
            if self.received.startswith(b"-"):
                raise LoginFailed(f"refused: {self.received[:200]!r}")
            self._more()
        self.received = b""

    def say_later(self, frames: bytes) -> bytes:
        """Return whole `Send` frames as PUBLISH of their texts."""
        commands: list[bytes] = []
        at = 0
        while at < len(frames):
            end = at + 4 + int.from_bytes(frames[at : at + 4], "big")
            text = frames[at + SEND_HEAD : end]
            self._waiting.append((int.from_bytes(frames[at + 9 : at + 13], "big"), text))
            commands.append(
                b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n"
                % (len(self._channel), self._channel, len(text), text)
            )
            at = end
        return b"".join(commands)

    def recv(self) -> bytes:
        """Return events and acks as a floor writes them; empty at the end.

        Raises BlockingIOError where there is nothing whole yet.
        """
        data = super().recv()
        if not data:
            return b""
        quiet = not (self._waiting or self._own or self._acked or self._buffer)
        key = (self._group_id, self._seq, data)
        if quiet and key in _remembered:
            frames, self._seq = _remembered[key]
            return frames
        frames = self._translate(self._buffer + data)
        if quiet and not self._buffer:
            if len(_remembered) >= MAX_REMEMBERED:
                del _remembered[next(iter(_remembered))]
            _remembered[key] = frames, self._seq
        if not frames:
            raise BlockingIOError
        return frames

    def _translate(self, data: bytes) -> bytes:
        frames: list[bytes] = []
        push = b">3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$" % (len(self._channel), self._channel)
        at = 0
        while at < len(data):
            line = data.find(b"\r\n", at)
            if line < 0:
                break
            if data[at : at + 1] == b":":
                self._acked += 1
                at = line + 2
            elif data.startswith(push, at):
                begin = data.find(b"\r\n", at + len(push)) + 2
                if begin < 2:
                    break
                end = begin + int(data[at + len(push) : begin - 2])
                if end + 2 > len(data):
                    break
                frames.append(self._heard(data[begin:end]))
                at = end + 2
            elif data[at : at + 1] == b"-":
                raise LoginFailed(f"refused: {data[at:line]!r}")
            elif len(data) - at < len(push):
                break
            else:
                raise LoginFailed(f"what is this? {data[at : at + 100]!r}")
            while self._acked and self._own:
                self._acked -= 1
                request_id, seq = self._own.popleft()
                frames.append(ack(request_id, self._group_id, seq, 0))
        self._buffer = data[at:]
        return b"".join(frames)

    def _heard(self, text: bytes) -> bytes:
        self._seq += 1
        if self._waiting and self._waiting[0][1] == text:
            self._own.append((self._waiting.popleft()[0], self._seq))
        return event_head(self._group_id, self._seq, len(text), 0) + text


def open_redis_links(url: str, group_ids: Sequence[int]) -> list[RedisLink]:
    """Open subscribed connections in the order of the groups, a crowd at a time. Raises LoginFailed."""
    links: list[RedisLink] = []
    for start in range(0, len(group_ids), CROWD):
        crowd = [RedisLink(url, group_id) for group_id in group_ids[start : start + CROWD]]
        for link in crowd:
            link.subscribe()
        for link in crowd:
            link.await_subscription()
            link.ready()
        links += crowd
    return links
