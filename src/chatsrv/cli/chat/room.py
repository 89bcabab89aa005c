"""What a chat knows of a group, who is in it, and the Screen that shows it: full screen or line by line."""

from typing import TYPE_CHECKING, Final, Protocol

import attrs

from chatsrv.client.following.view import GroupView
from chatsrv_protocol.conversation import Edited, Reacted, Recalled
from chatsrv_protocol.messages import Message

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from chatsrv.client.events import SequenceEvent
    from chatsrv_protocol.groups import Group

MAX_EVENTS_KEPT: Final = 5_000
"""Events kept of a group. Scrolling further back lets go of the newest, which are fetched again at the end."""


@attrs.define(slots=True, eq=False)
class PendingLine:
    """A line that was typed and is not shown yet: `seq` once it is stored, `refused` when it never will be."""

    number: int
    text: str
    seq: int = 0
    refused: bool = False


@attrs.define(slots=True, eq=False)
class Room:
    """A group as this chat knows it, for the user `me`.

    events:     what is kept of the sequence, by sequence number; `view` says what became of the messages among it.
    mentions:   how many unread messages call me.
    new_after:  the cursor when the group was opened with something unread: 'new from here' stands after it. 0: nowhere.
    complete:   nothing is older than what is kept.
    detached:   what is newest is not kept, since one scrolled far back.
    pending:    own lines that are not stored yet, in the order of typing.
    marked:     how far the server was told that one has read.
    own_above:  own messages above the cursor, which are not unread.
    """

    me: int
    group_id: int
    name: str
    head: int = 0
    ordinal: int = 0
    read_seq: int = 0
    read_ordinal: int = 0
    mentions: int = 0
    quiet: bool = False
    events: "dict[int, SequenceEvent]" = attrs.field(factory=dict)
    pending: list[PendingLine] = attrs.field(factory=list[PendingLine])
    opened: bool = False
    complete: bool = False
    detached: bool = False
    new_after: int = 0
    marked: int = 0
    own_above: int = 0
    view: GroupView = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.view = GroupView(self.me)

    @property
    def unread(self) -> int:
        """How many messages there are above one's cursor."""
        return max(self.ordinal - self.read_ordinal - self.own_above, 0)

    @property
    def first(self) -> int:
        """The oldest sequence number kept; 0 where nothing is."""
        return min(self.events, default=0)

    def listed(self, group: "Group") -> None:
        """Take how the group stands in the list of groups."""
        self.name, self.mentions, self.quiet = group.name, group.mentions, group.quiet
        self.head, self.ordinal = max(self.head, group.seq), max(self.ordinal, group.ordinal)
        self.read_to(group.read_seq, group.read_ordinal, group.own_above)

    def calls_me(self, event: "SequenceEvent") -> bool:
        """Whether a message of somebody else mentions me, or everybody."""
        if not isinstance(event, Message) or event.extra is None or event.sender_id == self.me:
            return False
        return event.extra.mention_all or self.me in event.extra.mentions

    def read_to(self, seq: int, ordinal: int, own_above: int) -> None:
        """Move the cursor of reading, which never goes back; so many own messages are above it."""
        if seq >= self.read_seq:
            self.read_seq, self.read_ordinal, self.own_above = seq, ordinal, own_above

    def read_all(self) -> None:
        """Mark everything as read."""
        self.read_to(self.head, self.ordinal, 0)
        self.mentions = 0

    def take(self, event: "SequenceEvent") -> bool:
        """Keep a live event, unless one is scrolled far back; False if it is known."""
        if event.seq <= self.head and event.seq in self.events:
            return False
        if isinstance(event, Message) and event.sender_id == self.me:
            self.own_above += event.seq > self.head  # else the list of groups counted it
            self.pending = [line for line in self.pending if line.seq != event.seq]
        self.head = max(self.head, event.seq)
        self.ordinal = max(self.ordinal, getattr(event, "ordinal", 0))
        self.view.apply(event)
        if not self.detached:
            self.events[event.seq] = event
            self._trim(oldest=True)
        return True

    def take_page(self, events: "tuple[SequenceEvent, ...]", *, older: bool) -> None:
        """Keep a page of history: what is older than all that is kept, or the newest."""
        for event in events:
            self.view.apply(event)
            self.events.setdefault(event.seq, event)
        self._trim(oldest=not older)

    def let_go(self) -> None:
        """Forget all events, as before the group was opened."""
        self.events.clear()
        self.view = GroupView(self.me)
        self.complete = self.detached = False

    def _trim(self, *, oldest: bool) -> None:
        if len(self.events) <= MAX_EVENTS_KEPT:
            return
        seqs = sorted(self.events)
        extra = len(seqs) - MAX_EVENTS_KEPT
        for seq in seqs[:extra] if oldest else seqs[-extra:]:
            del self.events[seq]
        if oldest:
            self.complete = False
            self.view.forget(self.first)
        else:
            self.detached = True


def message_changed_by(event: "SequenceEvent") -> int:
    """Return the message whose row an event changes in place, by its sequence number; 0 for an event with a row of its own."""
    return event.of if isinstance(event, Edited | Recalled | Reacted) else 0


@attrs.frozen(slots=True)
class PresentPerson:
    """Somebody in a group, and whether they are online now (None: unknown)."""

    user_id: int
    name: str
    online: bool | None


class Screen(Protocol):
    """What a chat is shown on. Called from Trio; must not block."""

    def show_room(self, room: Room) -> None:
        """Show another group, from 'new from here' where something is unread, else at its end."""
        ...

    def update_room(self, room: Room) -> None:
        """Show the group again, as it is now, without moving what is being looked at."""
        ...

    def show_event(self, room: Room, event: "SequenceEvent") -> None:
        """Show a new event of a group, on the screen or not."""
        ...

    def is_at_end(self) -> bool:
        """Whether the newest of the group on the screen is in view, so that what comes counts as read."""
        ...

    def ring(self) -> None:
        """Call for attention: somebody mentioned me."""
        ...

    def show_rooms(self, rooms: list[Room], current: Room | None) -> None:
        """Show the list of groups: it, or an unread count, changed."""
        ...

    def show_people(self, people: list[PresentPerson]) -> None:
        """Show who is in the group on the screen."""
        ...

    def show_status(self, sentence: str, *, connected: bool) -> None:
        """Show how the connection is doing, and who types."""
        ...

    def show_note(self, what: "str | Text | Table") -> None:
        """Show the answer to a command, or why it was refused."""
        ...
