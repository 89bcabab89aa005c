"""A child process of `mixed`: everybody's connections, and deeds that are due at fixed times.

Which group: the n-th busiest with a weight of 1/n (Zipf), as communities are. Every event of a group has to carry the
number after the one before on that connection; who joins again begins anew.
"""

import gc
import random
import select
import sys
import time
from collections import Counter
from typing import Any, Final

from bench.control import hear_line, raise_file_limit, say, usage
from bench.figures import Latencies
from bench.links import Link, open_links
from bench.redpack import client_id
from bench.streams import WrongStream
from bench.wire import cut_tcp, frames_of, unpack
from chatsrv_protocol import encode
from chatsrv_protocol.groups import AddMembers, ListMembers, RemoveMember
from chatsrv_protocol.messages import Send
from chatsrv_protocol.sync import History, ListGroups, MarkRead

DEEDS: Final = {"send": 50, "read": 12, "mark": 20, "members": 6, "groups": 6, "leave": 3, "join": 3}
"""How often each, of a hundred."""

PATIENCE: Final = 20
ADDED, REMOVED, REFUSED, SENT = 0x02C0, 0x02C1, 0x41, 0x0340


class Inhabitant:
    """One connection: what it waits for, and where each of its groups stands."""

    __slots__ = ("asked", "buffer", "link", "out", "seqs", "user_id")

    def __init__(self, link: Link, user_id: int) -> None:
        self.link = link
        self.user_id = user_id
        self.buffer = b""
        self.out = b""
        self.asked: dict[int, tuple[str, int]] = {}
        self.seqs: dict[int, int] = {}


class Community:
    """Everybody, and what they do."""

    def __init__(self, job: dict[str, Any]) -> None:
        links = open_links(job["url"], [token for _, token in job["people"]])
        self.people = [Inhabitant(link, user_id) for link, (user_id, _) in zip(links, job["people"], strict=True)]
        self.groups: list[tuple[int, list[int]]] = [(group_id, members) for group_id, members in job["groups"]]
        self.weights = [1 / number for number in range(1, len(self.groups) + 1)]
        self.away: list[tuple[int, int]] = []
        self.heads: dict[int, int] = {}
        self.random = random.Random(1)
        self.latency: dict[str, Latencies] = {kind: Latencies() for kind in DEEDS}
        self.answers: Counter[str] = Counter()
        self.events = 0
        self.count = 2
        self.waiting = 0

    def deed(self) -> tuple[Inhabitant, str, Any]:
        """Who does what next."""
        kind = self.random.choices(list(DEEDS), list(DEEDS.values()))[0]
        group_id, members = self.random.choices(self.groups, self.weights)[0]
        if kind == "join" and self.away:
            group_id, place = self.away.pop(0)
            owner = next(owners[0] for group, owners in self.groups if group == group_id)
            return self.people[owner], kind, AddMembers(client_id(self.count), group_id, (self.people[place].user_id,))
        gone = [place for group, place in self.away if group == group_id]
        present = [place for place in members if place not in gone]
        place = self.random.choice(present)
        if kind in ("leave", "join") and len(present) > 2:
            place = self.random.choice(present[1:])
            self.away.append((group_id, place))
            return (
                self.people[members[0]],
                "leave",
                RemoveMember(client_id(self.count), group_id, self.people[place].user_id),
            )
        if kind == "read":
            return self.people[place], kind, History(group_id, limit=50, newest=True)
        if kind == "mark":
            return self.people[place], kind, MarkRead(group_id, self.heads.get(group_id, 1))
        if kind == "members":
            return self.people[place], kind, ListMembers(group_id)
        if kind == "groups":
            return self.people[place], kind, ListGroups()
        size = min(2000, int(self.random.paretovariate(1.2) * 20))
        return self.people[place], "send", Send(client_id(self.count), group_id, "m" * size)

    def begin(self, due: int) -> Inhabitant:
        """Ask for the next deed."""
        self.count += 1
        person, kind, command = self.deed()
        person.asked[self.count] = kind, due
        person.out += encode(command, self.count)
        self.waiting += 1
        return person

    def take(self, person: Inhabitant, data: bytes, now: int) -> None:
        """What a connection received."""
        data = person.buffer + data if person.buffer else data
        end = 0
        while True:
            start, unit = cut_tcp(data, end)
            if not unit or unit > len(data):
                break
            end = unit
            for body in frames_of(data, start, unit):
                self.frame(person, unpack(body), now)
        person.buffer = data[end:]

    def frame(self, person: Inhabitant, fields: list[Any], now: int) -> None:
        """An event or an answer."""
        number, request_id = fields[0], fields[1]
        place = number & 0xFF
        if 0x80 <= place < 0xC0:
            if request_id == 0:
                self.live(person, fields[2], fields[3])
        elif place < 0x80:
            kind, due = person.asked.pop(request_id)
            self.waiting -= 1
            self.latency[kind].add(now - due)
            self.answers[kind if number != REFUSED else f"{kind}: {fields[2]}"] += 1
            if number == SENT:
                self.heads[fields[2]] = fields[3]
        elif number == ADDED:
            person.seqs.pop(fields[2][0], None)
        elif number == REMOVED:
            person.seqs.pop(fields[2], None)

    def live(self, person: Inhabitant, group_id: int, seq: int) -> None:
        """An event of a group: the number after the one before."""
        last = person.seqs.get(group_id)
        if last is not None and seq != last + 1:
            raise WrongStream(f"user {person.user_id}, group {group_id}: after {last} came {seq}")
        person.seqs[group_id] = seq
        self.events += 1

    def run(self, rate: float, seconds: float) -> dict[str, Any]:
        """Deeds at their times, then the last answers."""
        clock = time.monotonic_ns
        by_fd = {person.link.fileno(): person for person in self.people}
        poller = select.epoll()
        for fd in by_fd:
            poller.register(fd, select.EPOLLIN)
        before, began = usage(), clock()
        interval, due, end = int(1e9 / rate), began, began + int(seconds * 1e9)
        while due < end or self.waiting:
            now = clock()
            if now > end + PATIENCE * 1_000_000_000:
                raise WrongStream(f"{self.waiting} requests were not answered")
            while due <= now and due < end:
                person = self.begin(due)
                person.out = person.out[person.link.send(person.out) :]
                due += interval
            for fd, _mask in poller.poll(0.001 if due < end else 0.1, 1024):
                person = by_fd[fd]
                try:
                    data = person.link.recv()
                except BlockingIOError:
                    continue
                if not data:
                    raise WrongStream("the server closed a connection")
                self.take(person, data, clock())
        after, ended = usage(), clock()
        return {
            "seconds": (ended - began) / 1e9,
            "answers": dict(self.answers),
            "latency": {kind: one.dump() for kind, one in self.latency.items() if len(one)},
            "events": self.events,
            "cpu": after["cpu"] - before["cpu"],
            "error": None,
        }


def main() -> None:
    """Connect, say so, live when told."""
    job = hear_line()
    assert job is not None
    community = Community(job)
    say({"connected": len(community.people)})
    if hear_line() is None:
        return
    gc.disable()
    try:
        say(community.run(job["rate"], job["seconds"]))
    except WrongStream as wrong:
        say({"error": str(wrong)})


if __name__ == "__main__":
    raise_file_limit()
    sys.setswitchinterval(0.1)
    main()
