"""A child process that asks what it was given, `window` requests at a time, and times every answer.

The connections are members of one group; the events that follow from the requests are proved as in streams.py.
"""

import gc
import select
import sys
import time
from collections import Counter
from typing import Any, Final

from bench.reporting.histogram import Latencies
from bench.workers.control import hear_line, raise_file_limit, say, usage
from bench.workers.sockets import open_links
from bench.workers.streams import GroupStream, Member, WrongStream

PATIENCE: Final = 30
"""Seconds for an answer, and for the last events."""


class Asks:
    """The connections, and the requests in their order: (connection, request id, frame)."""

    def __init__(self, job: dict[str, Any]) -> None:
        url: str = job["url"]
        self.stream = GroupStream(job["group_id"], websocket=url.startswith("ws"))
        links = open_links(url, job["tokens"])
        self.members = [Member(link, place, self.stream, sender=True) for place, link in enumerate(links)]
        self.asks: list[tuple[int, int, bytes]] = [
            (place, request_id, bytes.fromhex(frame)) for place, request_id, frame in job["asks"]
        ]
        self.window: int = job["window"]
        self.asked: dict[tuple[int, int], int] = {}
        self.answers = Latencies()
        self.kinds: Counter[str] = Counter()

    def run(self) -> dict[str, Any]:
        """Ask everything, then wait until every connection has all events."""
        clock = time.monotonic_ns
        by_fd = {member.link.fileno(): member for member in self.members}
        poller = select.epoll()
        for fd in by_fd:
            poller.register(fd, select.EPOLLIN)
        before = usage()
        began = heard = last_answer = clock()
        at = 0
        while self.asked or at < len(self.asks) or not self.all_there():
            dirty: dict[Member, None] = {}
            now = clock()
            if now - heard > PATIENCE * 1_000_000_000:
                raise WrongStream(f"{len(self.asked)} requests were not answered, or events are missing")
            while at < len(self.asks) and len(self.asked) < self.window:
                place, request_id, frame = self.asks[at]
                member = self.members[place]
                member.out += member.link.say_later(frame)
                self.asked[place, request_id] = now
                dirty[member] = None
                at += 1
            for member in dirty:
                member.out = member.out[member.link.send(member.out) :]
                assert not member.out, "requests are small"
            for fd, _mask in poller.poll(0.1, 1024):
                member = by_fd[fd]
                try:
                    data = member.link.recv()
                except BlockingIOError:
                    continue
                heard = clock()
                if not data:
                    raise WrongStream("the server closed a connection")
                for reply in member.take(data):
                    last_answer = heard
                    self.answers.add(heard - self.asked.pop((member.place, reply[1])))
                    self.kinds[reply[2] if reply[0] == 0x41 else f"0x{reply[0]:04x}"] += 1
        after = usage()
        return {
            "seconds": (last_answer - began) / 1e9,
            "answers": dict(self.kinds),
            "latency": self.answers.dump(),
            "cpu": after["cpu"] - before["cpu"],
            "wall": after["at"] - before["at"],
            "events": self.stream.events,
            "error": None,
        }

    def all_there(self) -> bool:
        """Return whether every connection has all events that any has."""
        return all(member.at == len(self.stream.kept) and not member.leftover for member in self.members)


def main() -> None:
    """Connect, say so, ask when told."""
    job = hear_line()
    assert job is not None
    asks = Asks(job)
    say({"connected": len(asks.members)})
    while hear_line() is not None:
        gc.disable()
        try:
            say(asks.run())
        except WrongStream as wrong:
            say({"error": str(wrong)})


if __name__ == "__main__":
    raise_file_limit()
    sys.setswitchinterval(0.1)
    main()
