"""How long an event takes from one node to members on the others: one message at a time, each heard by everybody."""

import random
import select
import time
from collections.abc import Sequence
from typing import Final

import attrs

from bench.data.dataset import Group, Town
from bench.workers.sockets import ClientSocket, open_links
from bench.workers.wire import MESSAGE, SENT, SendMaker, cut_tcp, frames_of, unpack

WAIT_SECONDS: Final = 10.0
"""How long a message may take; one that takes longer fails the run."""


@attrs.frozen(slots=True)
class Crossings:
    """Milliseconds of each message: until its ack, and from its sending and from its ack until each member elsewhere had it."""

    ack: list[float]
    from_sending: list[float]
    from_ack: list[float]


class NotHeard(Exception):
    """A message was not acked, or did not come to everybody."""


class Crossing:
    """One member on each node; the first talks. `close` ends the connections."""

    def __init__(self, urls: Sequence[str], town: Town, group: Group) -> None:
        self.links = open_links(urls[0], [town.people[place].token for place in group.members[: len(urls)]], *urls[1:])
        self._maker = SendMaker(group.group_id, 128)
        self._epoll = select.epoll()
        for link in self.links:
            self._epoll.register(link.fileno(), select.EPOLLIN)
        self._by_fd = {link.fileno(): link for link in self.links}
        self._count = 0

    def talk(self, messages: int, pause: tuple[float, float]) -> Crossings:
        """Say so many messages with pauses of chance between them. Raises NotHeard."""
        chance = random.Random(1)
        found = Crossings([], [], [])
        for _ in range(messages):
            sent_at, at = self._say()
            acked = at.pop(self.links[0])
            found.ack.append((acked - sent_at) * 1e3)
            for heard in at.values():
                found.from_sending.append((heard - sent_at) * 1e3)
                found.from_ack.append((heard - acked) * 1e3)
            time.sleep(chance.uniform(*pause))
        return found

    def _say(self) -> tuple[float, dict[ClientSocket, float]]:
        """Return when a message was sent, and when its ack came to the sender and the message to each of the others."""
        self._count += 1
        sent_at = time.monotonic()
        self.links[0].send(self._maker.make(self._count + 2, self._count, 0, self._count, time.monotonic_ns()))
        at: dict[ClientSocket, float] = {}
        while len(at) < len(self.links):
            left = sent_at + WAIT_SECONDS - time.monotonic()
            if left <= 0:
                raise NotHeard(
                    f"message {self._count} had come to {len(at)} of {len(self.links)} after {WAIT_SECONDS} s"
                )
            for fd, _ in self._epoll.poll(left, 16):
                link = self._by_fd[fd]
                if self._hears(link, SENT if link is self.links[0] else MESSAGE):
                    at[link] = time.monotonic()
        return sent_at, at

    def _hears(self, link: ClientSocket, number: int) -> bool:
        """Whether what a connection received now has a frame of this type in it. Raises NotHeard where it was closed."""
        data = link.recv()
        if not data:
            raise NotHeard("a node closed a connection")
        link.received += data
        heard = False
        while True:
            start, end = cut_tcp(link.received, 0)
            if not end or end > len(link.received):
                return heard
            heard |= any(unpack(body)[0] == number for body in frames_of(link.received, start, end))
            link.received = link.received[end:]

    def close(self) -> None:
        """Close everything."""
        self._epoll.close()
        for link in self.links:
            link.close()
