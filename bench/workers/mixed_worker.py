"""A child process of `mixed`: everybody's connections, and deeds that are due at fixed times.

Every event of a group has to carry the number after the one before on that connection, from where the person's list of
groups stood; who joins again goes on from what they were told then. At the end all who are in a group stand at the same
number, and every message that was acked is among those.
"""

import gc
import select
import sys
import time
from collections import Counter
from typing import Any, Final

from bench.reporting.histogram import Latencies
from bench.workers.control import hear_line, raise_file_limit, say, usage
from bench.workers.sockets import ClientSocket, open_links
from bench.workers.streams import WrongStream
from bench.workers.wire import cut_tcp, cut_websocket, frames_of, unpack
from bench.workers.workload import DEEDS, Deeds
from chatsrv_protocol import encode
from chatsrv_protocol.redpack import GrantMoney
from chatsrv_protocol.sync import ListGroups

PATIENCE: Final = 20
ADDED, REMOVED, REFUSED, SENT, GROUPS = 0x02C0, 0x02C1, 0x41, 0x0340, 0x0440
PREPARED, PACKET_SENT, SHARE, BALANCE = 0x0640, 0x0647, 0x0642, 0x0644
ALLOWANCE: Final = 10**7
"""Cents that each owner is given for packets."""


class Inhabitant:
    """One connection: what it waits for, and where each of its groups stands."""

    __slots__ = ("asked", "buffer", "cut", "link", "out", "place", "seqs")

    def __init__(self, link: ClientSocket, place: int) -> None:
        self.link = link
        self.place = place
        self.cut = cut_websocket if link.websocket else cut_tcp
        self.buffer = link.received
        self.out = b""
        self.asked: dict[int, tuple[str, int, int]] = {}
        self.seqs = self.standing()

    def standing(self) -> dict[int, int]:
        """Return where each group stands now, by the list of groups."""
        self.link.block()
        self.link.say(encode(ListGroups(), 3))
        listed = self.link.await_frame(GROUPS)
        self.link.ready()
        return {group[0]: group[4] for group in listed[2]}


class Community:
    """Everybody, and what they do."""

    def __init__(self, job: dict[str, Any]) -> None:
        people: list[tuple[int, str, str]] = job["people"]
        links = open_links(job["url"], [token for _, _, token in people])
        self.deeds = Deeds(
            [(group_id, members) for group_id, members in job["groups"]], [user for user, _, _ in people]
        )
        self.people = [Inhabitant(link, place) for place, link in enumerate(links)]
        owners = {members[0]: None for _, members in self.deeds.groups}
        self.grant([people[place][1] for place in owners])
        self.latency: dict[str, Latencies] = {kind: Latencies() for kind in DEEDS}
        self.answers: Counter[str] = Counter()
        self.acked: dict[int, int] = {}
        self.events = 0
        self.count = 10
        self.waiting = 0

    def grant(self, names: list[str]) -> None:
        """Let the operator, who is the first of all, give the owners what they put into packets."""
        link = self.people[0].link
        link.block()
        for number, name in enumerate(names):
            client_id = (
                (time.time_ns() // 1_000_000).to_bytes(6, "big") + b"\x7b\x00" + (1 << 63 | number).to_bytes(8, "big")
            )
            link.say(encode(GrantMoney(client_id, name, ALLOWANCE), 4))
            link.await_frame(BALANCE)
        link.ready()

    def begin(self, due: int) -> None:
        """Ask for the next deed."""
        self.count += 1
        place, kind, group_id, command = self.deeds.next(self.count)
        self.ask(self.people[place], kind, due, group_id, command)
        self.waiting += 1

    def ask(self, person: Inhabitant, kind: str, due: int, group_id: int, command: Any) -> None:
        """Send one request."""
        person.asked[self.count] = kind, due, group_id
        person.out += person.link.say_later(encode(command, self.count))
        person.out = person.out[person.link.send(person.out) :]

    def take(self, person: Inhabitant, data: bytes, now: int) -> None:
        """Take what a connection received."""
        data = person.buffer + data if person.buffer else data
        end = 0
        while True:
            start, unit = person.cut(data, end)
            if not unit or unit > len(data):
                break
            end = unit
            for body in frames_of(data, start, unit):
                self.frame(person, unpack(body), now)
        person.buffer = data[end:]

    def frame(self, person: Inhabitant, fields: list[Any], now: int) -> None:
        """Take an event or an answer."""
        number, request_id = fields[0], fields[1]
        place = number & 0xFF
        if 0x80 <= place < 0xC0:
            if request_id == 0:
                self.live(person, fields[2], fields[3])
        elif place < 0x80:
            self.answered(person, fields, now)
        elif number == ADDED:
            person.seqs[fields[2][0]] = fields[2][4]
        elif number == REMOVED:
            person.seqs.pop(fields[2], None)

    def live(self, person: Inhabitant, group_id: int, seq: int) -> None:
        """Take an event of a group, which must have the number after the one before."""
        last = person.seqs.get(group_id)
        if last is None:
            raise WrongStream(f"member {person.place} heard of group {group_id} without being in it")
        if seq != last + 1:
            raise WrongStream(f"member {person.place}, group {group_id}: after {last} came {seq}")
        person.seqs[group_id] = seq
        self.events += 1

    def answered(self, person: Inhabitant, fields: list[Any], now: int) -> None:
        """Take a reply and do what follows from it. Raises WrongStream for a refusal that has no reason."""
        number = fields[0]
        kind, due, group_id = person.asked.pop(fields[1])
        if number == PREPARED:  # a packet is one deed in two requests
            self.count += 1
            self.ask(person, kind, due, group_id, self.deeds.prepared(group_id, fields[2], self.count))
            return
        self.waiting -= 1
        self.latency[kind].add(now - due)
        if number == REFUSED:
            if (group_id, person.place) not in self.deeds.moved:
                raise WrongStream(f"{kind} was refused to one who never left: {fields[2:]}")
            self.answers[f"{kind}: {fields[2]}"] += 1
            return
        self.answers[kind] += 1
        if number in (SENT, PACKET_SENT):
            self.deeds.heads[group_id] = fields[3]
            self.acked[group_id] = max(self.acked.get(group_id, 0), fields[3])
        if number == PACKET_SENT:
            self.deeds.packet_sent(person.place, group_id, fields[7])
        elif number == SHARE:
            self.deeds.opened(fields[2], fields[3])

    def settled(self) -> bool:
        """Return whether all members of each group stand at the same number, and no acked message is beyond it."""
        for group_id, _ in self.deeds.groups:
            stands = {self.people[place].seqs.get(group_id, 0) for place in self.deeds.present(group_id)}
            if len(stands) > 1 or min(stands) < self.acked.get(group_id, 0):
                return False
        return True

    def run(self, rate: float, seconds: float) -> dict[str, Any]:
        """Send commands at their times, then wait for the last answers and events."""
        clock = time.monotonic_ns
        by_fd = {person.link.fileno(): person for person in self.people}
        poller = select.epoll()
        for fd in by_fd:
            poller.register(fd, select.EPOLLIN)
        before, began = usage(), clock()
        interval, due, end = int(1e9 / rate), began, began + int(seconds * 1e9)
        while due < end or self.waiting or not self.settled():
            now = clock()
            if now > end + PATIENCE * 1_000_000_000:
                raise WrongStream(f"{self.waiting} requests were not answered, or members lack events")
            while due <= now and due < end:
                self.begin(due)
                due += interval
            for fd, _mask in poller.poll(0.001 if due < end else 0.05, 1024):
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
            "packets_opened_whole": self.deeds.check_money(),
            "cpu": after["cpu"] - before["cpu"],
            "error": None,
        }


def main() -> None:
    """Connect, say so, live when told; stay until the parent is done with the others."""
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
