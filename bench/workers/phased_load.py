"""A load process that talks in phases, so that several servers can take turns within one run (bench/scenarios/turns.py).

Between the phases everything that was said has arrived and been acked, and the connections stay. In a phase some
members may say more than messages: Pings, as many a second as heartbeats would bring, and `Delivered`, each member
once a second or after so many seconds.

Members that send are read as soon as they can be. Where there is more than one group and a window, the listeners (who
never send) are read later, several events at once: their reads were half of the load's CPU, which on one machine is taken
from the servers that are compared, and a server whose writes wake nobody is not charged for the wake-ups either. Nothing
here evaluates when an event arrived. Everything is read and compared before a phase ends.
"""

import gc
import select
import sys
import time
from collections import deque
from typing import Any, Final

from bench.workers.control import hear_line, raise_file_limit, say
from bench.workers.load import READS_PER_TURN, SETTLE_SECONDS, Alarm, Load
from bench.workers.streams import Member, WrongStream
from chatsrv_protocol import encode
from chatsrv_protocol.common import Ping
from chatsrv_protocol.conversation import Delivered, Range

LISTENER_BACKLOG_BYTES: Final = 1000
"""How much waits for the listeners of a group before they are read: about five events. With 8,000 the load takes 10 %
less. But in one large group a backlog of several writes makes the kernel acknowledge within the server's own send, which
then costs up to a tenth more, so a write there (3 to 5 KB) has to be read at once.
"""

LISTENERS_PER_TURN: Final = 32
SENDERS_PER_TURN: Final = 8
"""How many are read before the senders among them answer, where listeners are read later."""

SETTLE_POLL_SECONDS: Final = 0.002

FIRST_HINT: Final = 1 << 30
"""Request ids of what is not a message; those of messages are far below."""


class PhasedLoad(Load):
    """All members of one server or floor."""

    keeps_arrivals = False

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(job)
        self.hints = 0
        self.hints_open = 0
        self.heard = 0
        self.seqs: dict[int, int] = {}  # the last that was acked, by group
        self.alarm = Alarm()
        self.epoll = self.poller(self.alarm)
        self.listeners = {group_id: list[tuple[int, int]]() for group_id in self.streams}  # as epoll names them
        for member in self.members:
            if not member.sender:
                self.listeners[member.stream.group_id].append((member.link.fileno(), select.EPOLLIN))
        self.defers = False
        self.read_to = dict.fromkeys(self.streams, 0)  # bytes of each group for which its listeners were made due
        self.to_read: deque[tuple[int, int]] = deque()

    def replied(self, member: Member, reply: list[Any], now: int) -> None:
        """Take an answer, of a message or of a hint."""
        if reply[1] >= FIRST_HINT:
            self.hints_open -= 1
            return
        super().replied(member, reply, now)
        group_id = reply[2]
        self.seqs[group_id] = reply[3]
        if self.defers:
            come = len(member.stream.kept)
            if come - self.read_to[group_id] >= LISTENER_BACKLOG_BYTES:
                self.read_to[group_id] = come
                self.to_read += self.listeners[group_id]

    def defer(self, on: bool) -> None:
        """Let listeners be read when enough waits for them, or again as soon as they can be."""
        if on == self.defers:
            return
        self.defers = on
        for listeners in self.listeners.values():
            for fd, mask in listeners:
                if on:
                    self.epoll.unregister(fd)
                else:
                    self.epoll.register(fd, mask)

    def read_listeners(self) -> None:
        """Read some of the listeners that are due. Raises WrongStream."""
        to_read = self.to_read
        self.receive([to_read.popleft() for _ in range(min(LISTENERS_PER_TURN, len(to_read)))])

    def poll(self, seconds: float) -> None:
        """Read who is ready, after so many seconds at most. Raises WrongStream."""
        if not self.defers:
            self.receive(self.epoll.poll(seconds, READS_PER_TURN))
            return
        self.receive(self.epoll.poll(0 if self.to_read else seconds, SENDERS_PER_TURN))
        if self.to_read:
            self.read_listeners()

    def everything_came(self) -> bool:
        """Return whether all members have all; a listener that lacks something is read again. Raises WrongStream."""
        if self.to_read:
            return False
        if self.all_there(self.said):
            return True
        if self.defers:
            self.receive(self.epoll.poll(SETTLE_POLL_SECONDS, SENDERS_PER_TURN))
            self.to_read += [
                (member.link.fileno(), select.EPOLLIN)
                for member in self.members
                if not member.sender and member.at < len(member.stream.kept)
            ]
        return False

    def prove_end(self) -> None:
        """Read everybody once more. Raises WrongStream where something came after everything had."""
        self.receive([(fd, select.EPOLLIN) for fd in self.by_fd])
        if not self.all_there(self.said):
            raise WrongStream(self.missing())

    def hint(self, *, delivered: bool) -> None:
        """Let the next member send a Ping, or Delivered."""
        member = self.members[self.hints % len(self.members)]
        request_id = FIRST_HINT + self.hints
        self.hints += 1
        command: object = Ping()
        if delivered:
            group_id = member.stream.group_id
            seq = self.seqs.get(group_id)
            if seq is None:
                return
            command = Delivered((Range(group_id, seq),))
        self.hints_open += 1
        member.queue.append(encode(command, request_id))
        self.dirty[member] = None

    def has_heard(self) -> bool:
        """Return whether events came since the last call."""
        before, self.heard = self.heard, sum(stream.events for stream in self.streams.values())
        return self.heard != before

    def hints_due(self, since: int, now: int, order: dict[str, Any]) -> int:
        """Return how many hints have to be out by now:

        Pings and `Delivered` evenly over time, or everybody's at once, every so many seconds. What is due goes with
        the next event where it is `heard`.
        """
        passed = (now - since) / 1e9
        if order["delivered"] == "burst":
            return int(passed / order["every"] + 0.5) * len(self.members)
        return int(passed * (len(self.members) / order["every"] if order["delivered"] else order["pings"]))

    def phase(self, order: dict[str, Any]) -> dict[str, Any]:
        """Send for a while and wait until all of it arrived; return how much it was, and the latencies of its acks."""
        clock = time.monotonic_ns
        self.window = order["window"]
        interval = int(1e9 / order["rate"]) if order["rate"] else 0
        hinting = bool(order["delivered"] or order["pings"])
        first_hint = self.hints
        self.listen_to_all(hinting)
        self.defer(len(self.streams) > 1 and not hinting and not interval)
        first_ack = len(self.ack_times)
        before = self.deliveries()
        start = due = clock()
        end = start + int(order["seconds"] * 1e9)
        while True:
            now = clock()
            if now < end:
                may_hint = hinting and (order["delivered"] != "heard" or self.has_heard())
                while may_hint and self.hints - first_hint < self.hints_due(start, now, order):
                    self.hint(delivered=bool(order["delivered"]))
                if interval:
                    while due <= now:
                        self.post(due)
                        due += interval
                    self.alarm.set(min(due, end))
                else:
                    for _ in range(self.window - self.in_flight):
                        self.post(now)
            elif not self.in_flight and not self.hints_open and self.everything_came():
                break
            elif now > end + SETTLE_SECONDS * 1_000_000_000:
                raise WrongStream(self.missing())
            if self.dirty:
                self.flush()
            self.poll(SETTLE_POLL_SECONDS if hinting or self.dirty or now >= end else 0.2)
        took = sorted(at - due for due, at in self.ack_times[first_ack:])
        return {
            "seconds": (clock() - start) / 1e9,
            "messages": len(took),
            "deliveries": self.deliveries() - before,
            "p50_ms": took[len(took) // 2] / 1e6,
            "p99_ms": took[len(took) * 99 // 100] / 1e6,
            "error": None,
        }

    def listen_to_all(self, on: bool) -> None:
        """Whether members that never talk may get answers too."""
        talking = dict.fromkeys(self.senders)
        for member in self.members:
            member.sender = on or member in talking


def main() -> None:
    """Connect, say so, talk as often as told; at the end prove that nothing was lost, doubled or out of order."""
    job = hear_line()
    assert job is not None
    load = PhasedLoad(job)
    say({"connected": len(load.members)})
    gc.disable()
    began = time.monotonic_ns()
    try:
        while (order := hear_line()) is not None:
            if "seconds" not in order:
                load.prove_end()
                load.check(began, time.monotonic_ns())
                say({"error": None})
            else:
                say(load.phase(order))
    except WrongStream as wrong:
        say({"error": str(wrong)})


if __name__ == "__main__":
    raise_file_limit()
    sys.setswitchinterval(0.1)
    main()
