"""A child process of `sync`: many clients connect at once, log in, list their groups, and fetch what they lack.

Each asks as a client library would: Hello, Resume, ListGroups, then CatchUp until nothing is missing. Every event is
looked at: group by group the numbers go on by one from where the client stood.
"""

import errno
import gc
import select
import socket
import sys
import time
from typing import Any, Final
from urllib.parse import urlsplit

from bench.control import hear_line, raise_file_limit, say, usage
from bench.figures import Latencies
from bench.streams import WrongStream
from bench.wire import LOGGED_IN, frames_of, greeting, unpack
from chatsrv_protocol import encode
from chatsrv_protocol.sync import CatchUp, ListGroups, Range

GROUPS: Final = 0x0440
CAUGHT_UP: Final = 0x0442
PATIENCE: Final = 60


class Client:
    """One of them. `step` takes bytes and answers what to send next."""

    __slots__ = (
        "after", "began", "buffer", "done_at", "events", "expected", "heads", "logged_in_at", "missed", "socket", "token",
    )  # fmt: skip

    def __init__(self, token: str, missed: int, expected: int) -> None:
        self.token = bytes.fromhex(token)
        self.missed = missed
        self.expected = expected
        self.buffer = b""
        self.after: dict[int, int] = {}
        self.heads: dict[int, int] = {}
        self.events = 0
        self.began = 0
        self.logged_in_at = 0
        self.done_at = 0
        self.socket = socket.socket()
        self.socket.setblocking(False)

    def take(self, data: bytes, now: int) -> bytes:
        """Go on with what arrived."""
        data = self.buffer + data if self.buffer else data
        end = 0
        while len(data) - end >= 4:
            upto = end + 4 + int.from_bytes(data[end : end + 4], "big")
            if upto > len(data):
                break
            end = upto
        self.buffer = data[end:]
        answer = b""
        for body in frames_of(data, 0, end):
            fields = unpack(body)
            if 0x80 <= fields[0] & 0xFF < 0xC0:
                self.event(fields)
            else:
                answer += self.reply(fields, now)
        return answer

    def event(self, fields: list[Any]) -> None:
        """The next of a group."""
        group_id, seq = fields[2], fields[3]
        if seq != self.after[group_id] + 1:
            raise WrongStream(f"group {group_id}: after {self.after[group_id]} came {seq}")
        self.after[group_id] = seq
        self.events += 1

    def reply(self, fields: list[Any], now: int) -> bytes:
        """What to ask next."""
        if fields[0] == LOGGED_IN:
            self.logged_in_at = now
            return encode(ListGroups(), 3)
        if fields[0] == GROUPS:
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


def come_back(url: str, clients: list[Client]) -> dict[str, Any]:
    """All at once."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    address = parts.hostname, parts.port
    clock = time.monotonic_ns
    by_fd = {client.socket.fileno(): client for client in clients}
    poller = select.epoll()
    before, began = usage(), clock()
    for fd, client in by_fd.items():
        client.began = clock()
        error = client.socket.connect_ex(address)
        if error not in (0, errno.EINPROGRESS):
            raise WrongStream(f"a connection was refused: {error}")
        poller.register(fd, select.EPOLLOUT)
    waiting = len(clients)
    heard = clock()
    while waiting:
        if clock() - heard > PATIENCE * 1_000_000_000:
            raise WrongStream(f"{waiting} clients were not answered for {PATIENCE} s")
        for fd, mask in poller.poll(1, 2048):
            client = by_fd[fd]
            if mask & select.EPOLLOUT and not mask & (select.EPOLLERR | select.EPOLLHUP):
                client.socket.send(greeting(client.token))
                poller.modify(fd, select.EPOLLIN)
                continue
            data = client.socket.recv(256 * 1024)
            heard = clock()
            if not data:
                raise WrongStream("the server closed a connection")
            answer = client.take(data, heard)
            if answer:
                client.socket.send(answer)
            elif client.done_at == heard:
                waiting -= 1
    after = usage()
    logged_in, caught_up = Latencies(), Latencies()
    for client in clients:
        logged_in.add(client.logged_in_at - client.began)
        caught_up.add(client.done_at - client.began)
        if client.events != client.expected:
            raise WrongStream(f"a client lacked {client.expected} events and got {client.events}")
    return {
        "seconds": (max(client.done_at for client in clients) - began) / 1e9,
        "events": sum(client.events for client in clients),
        "logged_in": logged_in.dump(),
        "caught_up": caught_up.dump(),
        "cpu": after["cpu"] - before["cpu"],
        "error": None,
    }


def main() -> None:
    """Say that we are ready, come back when told."""
    job = hear_line()
    assert job is not None
    clients = [Client(token, job["missed"], lacking) for token, lacking in job["clients"]]
    say({"ready": len(clients)})
    if hear_line() is None:
        return
    gc.disable()
    try:
        say(come_back(job["url"], clients))
    except (WrongStream, OSError) as wrong:
        say({"error": str(wrong)})


if __name__ == "__main__":
    raise_file_limit()
    sys.setswitchinterval(0.1)
    main()
