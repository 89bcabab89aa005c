"""A child process that talks and listens: one loop over epoll, many connections, the window or the rate it was told.

Closed loop: `window` messages of this process are in flight, each until its ack; the senders take turns. Open loop:
messages are due at fixed times, and latency counts from the moment a message was due, however late it was sent.
"""

import ctypes
import gc
import select
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from bench.reporting.histogram import Latencies
from bench.workers.control import hear_line, raise_file_limit, say, usage
from bench.workers.redis_link import open_redis_links
from bench.workers.sockets import ClientSocket, open_floor_links, open_links
from bench.workers.streams import GroupStream, Member, WrongStream
from bench.workers.wire import SENT, SendMaker

SETTLE_SECONDS: Final = 15
"""How long after the last message everything may take to arrive."""

MAX_SAMPLES: Final = 400_000
"""Delivery latencies that are evaluated; of more, those of evenly chosen members."""

READS_PER_TURN: Final = 32
"""Connections that are read before the senders among them answer. With all that are ready (up to 500 at once), those who
were acked first answered after milliseconds, and a server that writes to senders first made batches without them.
"""

_TICK = 1_000_000_000


class Alarm:
    """A timer that epoll sees to the microsecond (its own timeout has milliseconds)."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.timerfd_create(time.CLOCK_MONOTONIC, 0o4000)

    def set(self, at_ns: int) -> None:
        """Ring at this monotonic time."""
        value = struct.pack("qqqq", 0, 0, at_ns // _TICK, at_ns % _TICK)
        self._libc.timerfd_settime(self.fd, 1, value, None)


class Load:
    """The members of this process, and its part of the talking."""

    keeps_arrivals = True
    """Whether it is noted when each member had how much, for the latencies of deliveries."""

    def __init__(self, job: dict[str, Any]) -> None:
        url: str
        url, *more = job["urls"]
        websocket = url.startswith("ws")
        conns: list[tuple[int, str, int, bool]] = job["conns"]
        self.streams = {group_id: GroupStream(group_id, websocket=websocket) for _, _, group_id, _ in conns}
        tokens, group_ids = [conn[1] for conn in conns], [conn[2] for conn in conns]
        if url.startswith("redis:"):
            links: Sequence[ClientSocket] = open_redis_links(url, group_ids)
        else:
            links = open_floor_links(url, group_ids) if job["floor"] else open_links(url, tokens, *more)
        self.members = [
            Member(link, place, self.streams[group_id], sender=sends)
            for link, (place, _, group_id, sends) in zip(links, conns, strict=True)
        ]
        self.by_fd = {member.link.fileno(): member for member in self.members}
        self.senders = [member for member in self.members if member.sender]
        text_bytes: int = job["bytes"]
        self.makers = {group_id: SendMaker(group_id, text_bytes) for group_id in self.streams}
        self.window: int = job["window"]
        self.rate: float = job["rate"]
        self.turn = 0
        self.sent = 0
        self.said = dict.fromkeys(self.streams, 0)
        self.totals: dict[int, int] | None = None
        self.in_flight = 0
        self.acks: list[tuple[int, int, int]] = []  # group id, sequence number, our number
        self.ack_times: list[tuple[int, int]] = []  # due, acked
        self.dirty: dict[Member, None] = {}
        self.error: str | None = None

    def post(self, due_ns: int) -> None:
        """Let the next sender say something."""
        member = self.senders[self.turn]
        self.turn = self.turn + 1 if self.turn + 1 < len(self.senders) else 0
        self.sent += 1
        self.in_flight += 1
        self.said[member.stream.group_id] += 1
        request_id = self.sent + 2
        member.requests[request_id] = (self.sent, due_ns)
        frame = self.makers[member.stream.group_id].make(request_id, self.sent, member.place, self.sent, due_ns)
        member.queue.append(frame)
        self.dirty[member] = None

    def flush(self) -> None:
        """Hand the kernel what the senders have to say."""
        dirty, self.dirty = self.dirty, {}
        for member in dirty:
            frames = b"".join(member.queue)
            member.queue.clear()
            if frames:
                member.out += member.link.say_later(frames)
            member.out = member.out[member.link.send(member.out) :]
            if member.out:
                self.dirty[member] = None

    def replied(self, member: Member, reply: list[Any], now: int) -> None:
        """Take an answer: one message less is in flight."""
        if reply[0] != SENT:
            raise WrongStream(f"a message was refused: {reply[2:]}")
        number, due = member.requests.pop(reply[1])
        self.in_flight -= 1
        self.acks.append((reply[2], reply[3], number))
        self.ack_times.append((due, now))

    def poller(self, alarm: Alarm) -> select.epoll:
        """Return what wakes this process: its members' sockets and the alarm."""
        poller = select.epoll()
        poller.register(alarm.fd, select.EPOLLIN | select.EPOLLET)
        for fd in self.by_fd:
            poller.register(fd, select.EPOLLIN)
        return poller

    def receive(self, ready: list[tuple[int, int]]) -> None:
        """Read what came for these members. Raises WrongStream."""
        clock = time.monotonic_ns
        by_fd = self.by_fd
        keeps_arrivals = self.keeps_arrivals
        for fd, _mask in ready:
            member = by_fd.get(fd)
            if member is None:
                continue
            try:
                data = member.link.recv()
            except BlockingIOError:
                continue
            now = clock()
            if not data:
                raise WrongStream(f"the server closed the connection of member {member.place}")
            if member.sender:
                for reply in member.take(data):
                    self.replied(member, reply, now)
            else:
                stream = member.stream
                if member.at == stream.last_at and data == stream.last:
                    member.at += len(data)
                else:
                    member.at = stream.accept(member.at, data)
            if keeps_arrivals:
                member.arrivals.append(now)
                member.arrivals.append(member.at)

    def run(self, start_ns: int, warm_up: float, seconds: float) -> dict[str, Any]:
        """Send from `start_ns` on, measure after the warm-up, stop, and wait until everything arrived."""
        clock = time.monotonic_ns
        alarm = Alarm()
        poller = self.poller(alarm)
        begin_ns = start_ns + int(warm_up * 1e9)
        end_ns = begin_ns + int(seconds * 1e9)
        give_up = end_ns + SETTLE_SECONDS * _TICK
        marks: list[tuple[int, int, dict[str, Any]]] = []
        next_mark = begin_ns
        interval = int(1e9 / self.rate) if self.rate else 0
        due = start_ns
        alarm.set(start_ns)
        while True:
            now = clock()
            if now >= next_mark:
                marks.append((now, self.deliveries(), usage()))
                next_mark = end_ns if len(marks) == 1 else give_up
                if len(marks) == 3:
                    self.error = self.missing()
                    break
            if now < end_ns:
                if interval:
                    while due <= now:
                        self.post(due)
                        due += interval
                    alarm.set(min(due, next_mark))
                elif now >= start_ns:
                    for _ in range(self.window - self.in_flight):
                        self.post(now)
            elif len(marks) == 2 and not self.in_flight:
                if self.totals is None:
                    self.totals = agreed(self.said)
                if self.all_there(self.totals):
                    break
            if self.dirty:
                self.flush()
            self.receive(poller.poll(0.01 if self.dirty or now >= end_ns else 0.2, READS_PER_TURN))
        return self.result(marks, begin_ns, end_ns)

    def deliveries(self) -> int:
        """Return how many events members have whole."""
        return sum(member.stream.delivered(member.at) for member in self.members)

    def all_there(self, totals: dict[int, int]) -> bool:
        """Return whether every member has exactly what all processes together sent in its group. Raises WrongStream for more."""
        for group_id, stream in self.streams.items():
            if stream.events > totals[group_id]:
                raise WrongStream(f"group {group_id}: {stream.events} events of {totals[group_id]} messages")
            if stream.events < totals[group_id]:
                return False
        return all(member.at == len(member.stream.kept) and not member.leftover for member in self.members)

    def missing(self) -> str:
        """Return in words which members lack what, at the deadline."""
        behind = [member for member in self.members if member.at != len(member.stream.kept) or member.leftover]
        return (
            f"{self.in_flight} messages were not acked and {len(behind)} members lack events after {SETTLE_SECONDS} s"
        )

    def result(self, marks: list[tuple[int, int, dict[str, Any]]], begin_ns: int, end_ns: int) -> dict[str, Any]:
        """Return the figures, and what the proof needs from this process."""
        began, before, used_before = marks[0]
        ended, after, used_after = marks[1]
        acked = Latencies()
        for due, at in self.ack_times:
            if begin_ns <= due < end_ns:
                acked.add(at - due)
        deliveries = self.check(begin_ns, end_ns)
        return {
            "deliveries": after - before,
            "reads": sum(began <= at < ended for member in self.members for at in member.arrivals[::2]),
            "seconds": (ended - began) / 1e9,
            "acked": sum(began <= at < ended for _, at in self.ack_times),
            "cpu": used_after["cpu"] - used_before["cpu"],
            "rss": used_after["rss"],
            "ack": acked.dump(),
            "delivery": deliveries.dump(),
            "messages": {str(group_id): stream.events for group_id, stream in self.streams.items()},
            "sent": self.sent,
            "digests": {str(group_id): stream.digest() for group_id, stream in self.streams.items()},
            "error": self.error,
        }

    def check(self, begin_ns: int, end_ns: int) -> Latencies:
        """Decode all streams; answers the latencies of their deliveries. Raises WrongStream."""
        mine = {member.place for member in self.senders}
        acked: dict[tuple[int, int], int] = {(group_id, seq): number for group_id, seq, number in self.acks}
        if len(acked) != len(self.acks):
            raise WrongStream("two messages were acked with the same place in a group")
        listeners: dict[int, list[Member]] = {}
        for member in self.members:
            listeners.setdefault(member.stream.group_id, []).append(member)
        deliveries = sum(stream.events * len(listeners[group_id]) for group_id, stream in self.streams.items())
        stride = deliveries // MAX_SAMPLES + 1
        latencies = Latencies()
        for group_id, stream in self.streams.items():
            seen: dict[tuple[int, int], None] = {}
            last: dict[int, int] = {}
            dues: list[tuple[int, int]] = []
            for end, seq, message in stream.messages():
                key = message.sender, message.number
                if key in seen or message.number <= last.get(message.sender, 0):
                    raise WrongStream(f"message {key} came twice or out of order")
                seen[key] = None
                last[message.sender] = message.number
                dues.append((end, message.due_ns))
                if message.sender in mine and acked.pop((group_id, seq), None) != message.number:
                    raise WrongStream(f"message {key} was not acked as number {seq}, but stands there")
            for member in listeners[group_id][stride // 2 :: stride] or listeners[group_id][:1]:
                _latencies(member.arrivals, dues, begin_ns, end_ns, latencies)
        if acked:
            raise WrongStream(f"{len(acked)} messages were acked and came to nobody")
        return latencies


def agreed(said: dict[int, int]) -> dict[int, int]:
    """Tell the parent how much this process said in each group, and hear what all of them said: nothing more will come."""
    say({"said": {str(group_id): count for group_id, count in said.items()}, "error": None})
    answer = hear_line()
    if answer is None:
        raise SystemExit("the run was given up")
    return {int(group_id): count for group_id, count in answer["totals"].items()}


def _latencies(arrivals: list[int], dues: list[tuple[int, int]], begin: int, end: int, into: Latencies) -> None:
    """Add for each message the time until the first arrival that brought the member to its end."""
    at = 0
    for place, due in dues:
        while at < len(arrivals) and arrivals[at + 1] < place:
            at += 2
        if at >= len(arrivals):
            return
        if begin <= due < end:
            into.add(arrivals[at] - due)


def main() -> None:
    """Connect, say so, start when told, answer the figures."""
    job = hear_line()
    assert job is not None
    began = time.monotonic()
    load = Load(job)
    say({"connected": len(load.members), "seconds": time.monotonic() - began})
    go = hear_line()
    if go is None:
        return
    gc.disable()
    try:
        say(load.run(go["start_ns"], go["warm_up"], go["seconds"]))
    except WrongStream as wrong:
        say({"error": str(wrong)})


if __name__ == "__main__":
    raise_file_limit()
    sys.setswitchinterval(0.1)
    main()
