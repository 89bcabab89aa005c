"""The position of a reader in one group's sequence: which event is next, and what has to be fetched. No I/O.

The rules, with `taken` the last sequence number delivered and `head` the highest known to exist:

    a live event at taken + 1        is delivered, if the reader has room
    a live event up to taken         was delivered already, and is dropped
    any other live event             raises head; if it may be held, it joins or starts the held run
    a fetched range                  is delivered from taken + 1 on, then the held run if it follows
    taken < head                     something is missing: fetch from taken

The held run is the latest stretch of live events without a gap inside it. Without it a busy group would never be caught up
with: each fetched page is a little older than the live events that overtook it on the way.
"""

from collections import deque
from collections.abc import Iterable


class GapInAnswer(Exception):
    """A fetched range has a hole, which the protocol rules out."""


class ReadPosition:
    """The position in one group. Sequence numbers start at 1; `start` is the one after which the reader began."""

    __slots__ = ("_held", "following", "head", "resumed_at", "start", "taken", "version")

    def __init__(self, start: int, version: int = 0) -> None:
        self.start = start
        self.taken = start
        self.head = start
        self.following = True
        self.resumed_at = 0  # `taken` when the present connection began
        self.version = version  # of the list of groups, when membership was last heard of
        self._held: deque[tuple[int, object]] = deque()

    @property
    def behind(self) -> bool:
        """Whether an event is known that was not delivered."""
        return self.following and self.taken < self.head

    @property
    def held(self) -> int:
        """How many events wait for those before them."""
        return len(self._held)

    def live(self, seq: int, event: object, *, room: bool, hold: bool) -> bool:
        """Take a live event and return whether to deliver it now. `room`: the reader can take one; `hold`: it may be held."""
        if not self.following or seq <= self.taken:
            return False
        if seq > self.head:
            self.head = seq
        if seq == self.taken + 1 and room:
            self.taken = seq
            self._release_up_to_taken()
            return True
        if hold:
            self._hold(seq, event)
        return False

    def _hold(self, seq: int, event: object) -> None:
        held = self._held
        if held and seq != held[-1][0] + 1:
            if seq <= held[-1][0]:
                return  # held already, or before the run, where the fetch brings it
            held.clear()
        held.append((seq, event))

    def _release_up_to_taken(self) -> None:
        while self._held and self._held[0][0] <= self.taken:
            self._held.popleft()

    def known(self, head: int) -> None:
        """Note that the sequence is at least this long."""
        self.head = max(self.head, head)

    def fetched(self, after: int, events: Iterable[tuple[int, object]], last: int, head: int) -> list[object]:
        """Take the complete range from `after` to `last` that was fetched; return the events to deliver now.

        It may begin later than asked for, where what is before is not for this reader. Raises GapInAnswer.
        """
        out: list[object] = []
        if not self.following or after > self.taken:
            return out  # asked for before the reader left, or began again further back
        before = 0
        for seq, event in events:
            if before and seq != before + 1:
                raise GapInAnswer(f"event {seq} follows event {before}")
            before = seq
            if seq > self.taken:
                out.append(event)
                self.taken = seq
        self.taken = max(self.taken, last)
        self.head = max(self.head, head, self.taken)
        self._release_up_to_taken()
        held = self._held
        if held and held[0][0] == self.taken + 1:
            out.extend(event for _, event in held)
            self.taken = held[-1][0]
            held.clear()
        return out

    def invisible(self, visible_from: int) -> None:
        """Note that nothing up to here is for this reader, so that it is not asked for."""
        if visible_from > self.taken:
            self.taken = visible_from
            self.head = max(self.head, visible_from)
            self._release_up_to_taken()

    def left(self, version: int) -> None:
        """Note that the reader left the group: nothing more comes, and what was missing is not for them any more."""
        self.following = False
        self.version = version
        self.head = self.taken
        self._held.clear()

    def joined(self, start: int, version: int) -> None:
        """Note that the reader joined again, from `start` on, but never before what was delivered: an event comes once."""
        self.following = True
        self.version = version
        self.start = self.taken = self.head = max(self.taken, start)

    def restored(self, head: int) -> None:
        """Note that the sequence itself went back and ends at `head`; go on from there."""
        self.rewind(head)
        self.head = head
        self.resumed_at = 0

    def rewind(self, start: int) -> None:
        """Begin again after `start`, whatever was delivered."""
        self._held.clear()
        self.start = self.taken = start
