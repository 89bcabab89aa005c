"""The feed of a group on one node: the last event delivered, the audience, and what waits for an event that is missing.

An event is told after all before it, and once. Changes of the audience are events like others, so nobody hears what comes
after their removal: whatever the bus between the nodes loses, doubles, delays or reorders, and whoever commits. With one
node nothing is ever missing but what was told between a login's read and its place here.

A connection comes with the head that its login read, and hears only what is after it. A login is asked to read again where
its user left or joined a group meanwhile (local.py), or where it read less than the feed began with. Let r remove X, and s be
an event after r. X hears s only with a place whose head h was read while X was a member, so h < r, and the feed began with at
most h: so this feed tells r, or has told it. If it did before the login was known to the bus, r was committed before the
login read, and h >= r. If it did between the two, the login reads again. If it will, X is taken out before s. Nothing in
this needs time, the bus, or who committed.

To ask for a head that is not behind the feed, as it was planned, would keep logins out of a group in which events follow
each other faster than the storage is read.
"""

from collections.abc import Callable
from typing import Final

from chatsrv.bus.interface import SharedFrames, Subscriber
from chatsrv.bus.parcels import Parcel

MAX_WAITING: Final = 500
"""Parcels of a group that wait for one before them, or are held; what comes besides is read from the database."""


class Feed:
    """Plain data of one group, which the bus changes between two awaits."""

    __slots__ = ("applied", "audience", "began", "entering", "waiting")

    def __init__(self, applied: int) -> None:
        self.began = applied
        """The seq with which it began: what was told before that, it does not know."""
        self.applied = applied
        """The seq of the event that was told last."""
        self.audience: dict[Subscriber, Callable[[SharedFrames], None]] = {}
        """Who hears it, and where they take events: one call for each delivery, and not one more."""
        self.entering: dict[Subscriber, int] = {}
        """Who hears it once this event was told: their login read a head that is not told yet."""
        self.waiting: dict[int, Parcel] = {}
        """By the seq with which they begin, the parcels that wait for one before them, or are held though it is their turn."""

    @property
    def is_silent(self) -> bool:
        """Whether nobody hears the group here."""
        return not self.audience and not self.entering

    @property
    def missing(self) -> tuple[int, int] | None:
        """(after, before): the seqs between the two are waited for; None where nothing is."""
        before = min(self.waiting, default=0)
        return (self.applied, before) if before > self.applied + 1 else None

    def due(self, parcel: Parcel) -> list[Parcel]:
        """Return what can be told now that this parcel came, in order: it and those that waited for it, or it for them.

        One that comes too early is kept. What there is no place for is found missing later.
        """
        if parcel.first > self.applied + 1:
            if len(self.waiting) < MAX_WAITING:
                self.waiting.setdefault(parcel.first, parcel)
            return self.held()
        return self._and_what_follows([parcel], max(self.applied, parcel.last)) if self.waiting else [parcel]

    def held(self) -> list[Parcel]:
        """Return what waits and can be told, in order."""
        return self._and_what_follows([], self.applied)

    def _and_what_follows(self, due: list[Parcel], last: int) -> list[Parcel]:
        while self.waiting and (first := min(self.waiting)) <= last + 1:
            due.append(self.waiting.pop(first))
            last = max(last, due[-1].last)
        return _joined(due)

    def hold(self, parcel: Parcel) -> bool:
        """Keep a parcel that follows what was told or is held; return whether it does, and there is room."""
        last = self.applied
        for first in sorted(self.waiting):
            if first != last + 1:
                break
            last = self.waiting[first].last
        if parcel.first != last + 1 or len(self.waiting) >= MAX_WAITING:
            return False
        self.waiting[parcel.first] = parcel
        return True

    def enter(self, subscriber: Subscriber, head: int) -> int:
        """Let a connection hear what comes after `head`, or after what was told already; answers after which."""
        if head > self.applied:
            self.entering[subscriber] = head
            return head
        self.audience[subscriber] = subscriber.put_event
        return self.applied

    def admit(self, seq: int) -> None:
        """Add those who wait for an event up to `seq` to the audience."""
        for subscriber in [each for each, head in self.entering.items() if head <= seq]:
            del self.entering[subscriber]
            self.audience[subscriber] = subscriber.put_event

    def advance(self, seq: int) -> None:
        """Note that all events up to `seq` are delivered."""
        if seq > self.applied:
            self.applied = seq
            if self.entering:
                self.admit(seq)

    def leave(self, subscriber: Subscriber) -> None:
        """Remove a connection from the group's audience."""
        self.audience.pop(subscriber, None)
        self.entering.pop(subscriber, None)


def _joined(parcels: list[Parcel]) -> list[Parcel]:
    """Return the same parcels, those that just follow each other as one: so a member gets them in one piece."""
    joined: list[Parcel] = []
    for each in parcels:
        if joined and each.first == joined[-1].last + 1:
            before = joined.pop()
            joined.append(Parcel(each.group_id, before.first, each.last, [*before.items, *each.items]))
        else:
            joined.append(each)
    return joined
