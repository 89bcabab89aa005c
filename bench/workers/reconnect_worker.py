"""A child process of `sync` and `connect`: many clients connect and log in, all at once or `window` at a time.

For `sync` each asks on as a client library would: ListGroups, then CatchUp until nothing is missing. Every event is
looked at: group by group the numbers go on by one from where the client stood.
"""

import gc
import select
import sys
import time
from typing import Any, Final

from bench.reporting.histogram import Latencies
from bench.workers.control import hear_line, raise_file_limit, say, usage
from bench.workers.dial import Dial
from bench.workers.sockets import LoginFailed
from bench.workers.streams import WrongStream
from bench.workers.wire import LOGGED_IN, cut_tcp, cut_websocket, frames_of, greeting, unpack
from chatsrv_protocol import encode
from chatsrv_protocol.sync import CatchUp, ListGroups, Range

GROUPS: Final = 0x0440
CAUGHT_UP: Final = 0x0442
PATIENCE: Final = 60
_TICK: Final = 1_000_000_000


class Client:
    """One of them. `take` takes bytes and answers what to send next."""

    __slots__ = (
        "after", "began", "buffer", "catches_up", "cut", "done_at", "events", "expected", "heads", "link", "logged_in_at",
        "missed", "token",
    )  # fmt: skip

    def __init__(self, token: str, missed: int, expected: int, *, catches_up: bool) -> None:
        self.token = bytes.fromhex(token)
        self.missed = missed
        self.expected = expected
        self.catches_up = catches_up
        self.link: Dial | None = None
        self.cut = cut_tcp
        self.buffer = b""
        self.after: dict[int, int] = {}
        self.heads: dict[int, int] = {}
        self.events = self.began = self.logged_in_at = self.done_at = 0

    def dial(self, url: str, now: int) -> Dial:
        """Begin."""
        self.began = now
        self.link = Dial(url)
        self.cut = cut_websocket if self.link.websocket else cut_tcp
        return self.link

    def take(self, data: bytes, now: int) -> bytes:
        """Go on with what arrived."""
        data = self.buffer + data if self.buffer else data
        end = 0
        answer = b""
        while True:
            start, upto = self.cut(data, end)
            if not upto or upto > len(data):
                break
            end = upto
            for body in frames_of(data, start, upto):
                fields = unpack(body)
                if 0x80 <= fields[0] & 0xFF < 0xC0:
                    self.event(fields)
                else:
                    answer += self.reply(fields, now)
        self.buffer = data[end:]
        return answer

    def event(self, fields: list[Any]) -> None:
        """Take the next event of a group."""
        group_id, seq = fields[2], fields[3]
        if seq != self.after[group_id] + 1:
            raise WrongStream(f"group {group_id}: after {self.after[group_id]} came {seq}")
        self.after[group_id] = seq
        self.events += 1

    def reply(self, fields: list[Any], now: int) -> bytes:
        """Return what to ask next."""
        if fields[0] == LOGGED_IN:
            self.logged_in_at = now
            if self.catches_up:
                return encode(ListGroups(), 3)
        elif fields[0] == GROUPS:
            for group in fields[2]:
                self.heads[group[0]] = group[4]
                self.after[group[0]] = group[4] - self.missed
        elif fields[0] == 0x41:
            raise WrongStream(f"refused: {fields[2:]}")
        elif fields[0] != CAUGHT_UP:
            return b""
        lacking = tuple(
            Range(group, self.after[group]) for group, head in self.heads.items() if self.after[group] < head
        )
        if lacking:
            return encode(CatchUp(lacking), 4)
        self.done_at = now
        return b""


class Crowd:
    """All clients of this process, of which at most `window` are under way at a time (0: all)."""

    def __init__(self, url: str, clients: list[Client], window: int) -> None:
        self.url = url
        self.clients = clients
        self.window = window or len(clients)
        self.poller = select.epoll()
        self.opening: dict[int, Client] = {}
        self.by_fd: dict[int, Client] = {}
        self.begun = self.done = 0

    def come_back(self) -> dict[str, Any]:
        """Run until all clients are done; the connections stay open. Raises WrongStream, LoginFailed."""
        clock = time.monotonic_ns
        before, began = usage(), clock()
        heard = began
        while self.done < len(self.clients):
            now = clock()
            if now - heard > PATIENCE * _TICK:
                raise WrongStream(f"{len(self.clients) - self.done} clients were not answered for {PATIENCE} s")
            while self.begun < len(self.clients) and self.begun - self.done < self.window:
                self.begin(self.clients[self.begun], clock())
            for fd, _mask in self.poller.poll(1, 2048):
                heard = clock()
                self.go_on(fd, heard)
        return self.figures(began, before, usage())

    def begin(self, client: Client, now: int) -> None:
        """Let the next client dial."""
        fd = client.dial(self.url, now).fileno()
        self.begun += 1
        self.by_fd[fd] = self.opening[fd] = client
        self.poller.register(fd, select.EPOLLOUT)

    def go_on(self, fd: int, now: int) -> None:
        """Handle what happened on a connection."""
        client = self.by_fd[fd]
        link = client.link
        assert link is not None
        data = b""
        if fd in self.opening:
            wanted = link.go_on()
            self.poller.modify(fd, wanted or select.EPOLLIN)
            if wanted:
                return
            del self.opening[fd]
            self.send(link, greeting(client.token))
            data, link.received = link.received, b""
        else:
            try:
                data = link.recv()
            except BlockingIOError:
                return
            if not data:
                raise WrongStream("the server closed a connection")
        was_done = client.done_at
        answer = client.take(data, now)
        if answer:
            self.send(link, answer)
        elif client.done_at and not was_done:
            self.done += 1

    def send(self, link: Dial, frames: bytes) -> None:
        """Send requests, which are small: the socket is empty and takes all of it."""
        data = link.say_later(frames)
        if link.send(data) != len(data):
            raise WrongStream("a socket did not take a request")

    def figures(self, began: int, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
        """Return what is told to the parent."""
        logged_in, caught_up = Latencies(), Latencies()
        for client in self.clients:
            logged_in.add(client.logged_in_at - client.began)
            caught_up.add(client.done_at - client.began)
            if client.events != client.expected:
                raise WrongStream(f"a client lacked {client.expected} events and got {client.events}")
        return {
            "seconds": (max(client.done_at for client in self.clients) - began) / 1e9,
            "events": sum(client.events for client in self.clients),
            "logged_in": logged_in.dump(),
            "caught_up": caught_up.dump(),
            "cpu": after["cpu"] - before["cpu"],
            "error": None,
        }


def main() -> None:
    """Say that we are ready, come back when told, and stay until the parent has what it wants to know."""
    job = hear_line()
    assert job is not None
    clients = [Client(token, job["missed"], lacking, catches_up=job["catch_up"]) for token, lacking in job["clients"]]
    say({"ready": len(clients)})
    if hear_line() is None:
        return
    gc.disable()
    try:
        say(Crowd(job["url"], clients, job["window"]).come_back())
    except (WrongStream, LoginFailed, OSError) as wrong:
        say({"error": str(wrong)})
    hear_line()


if __name__ == "__main__":
    raise_file_limit()
    sys.setswitchinterval(0.1)
    main()
