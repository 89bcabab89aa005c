"""What a chat shows, and on what: groups with their events, the people in them, and the Screen of both modes."""

from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from chatsrv_protocol.messages import Message

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from chatsrv_protocol.groups import Group

MAX_EVENTS_KEPT: Final = 1000
"""Events kept of a group; older ones are a `/history` away."""


@attrs.define(slots=True)
class Room:
    """A group as this chat knows it, for the user `me`. `events` by sequence number; `mentions` are those unread."""

    me: int
    group_id: int
    name: str
    head: int = 0
    ordinal: int = 0
    read_ordinal: int = 0
    mentions: int = 0
    quiet: bool = False
    events: dict[int, Any] = attrs.field(factory=dict[int, Any])
    opened: bool = False
    marked: int = 0

    @property
    def unread(self) -> int:
        """How many messages there are above one's cursor."""
        return max(self.ordinal - self.read_ordinal, 0)

    def listed(self, group: "Group") -> None:
        """How it stands in the list of groups."""
        self.name, self.mentions, self.quiet = group.name, group.mentions, group.quiet
        self.head, self.ordinal = max(self.head, group.seq), max(self.ordinal, group.ordinal)
        self.read_ordinal = max(self.read_ordinal, group.read_ordinal)

    def calls_me(self, event: Any) -> bool:
        """Whether a message of somebody else mentions me, or everybody."""
        if not isinstance(event, Message) or event.extra is None or event.sender_id == self.me:
            return False
        return event.extra.mention_all or self.me in event.extra.mentions

    def read(self) -> None:
        """All of it is read."""
        self.read_ordinal, self.mentions = self.ordinal, 0

    def take(self, event: Any) -> bool:
        """Keep an event; False if it is known."""
        if event.seq in self.events:
            return False
        self.events[event.seq] = event
        self.head = max(self.head, event.seq)
        self.ordinal = max(self.ordinal, getattr(event, "ordinal", 0))
        while len(self.events) > MAX_EVENTS_KEPT:
            del self.events[min(self.events)]
        return True


@attrs.frozen(slots=True)
class PresentPeople:
    """Somebody in a group, and whether they are there now (None: nobody says)."""

    user_id: int
    name: str
    online: bool | None


class Screen(Protocol):
    """What a chat is shown on. Called from Trio; must not block."""

    def show_room(self, room: Room) -> None:
        """Another group is on the screen: show what is known of it."""
        ...

    def show_event(self, room: Room, event: Any) -> None:
        """Something new in a group, on the screen or not."""
        ...

    def show_rooms(self, rooms: list[Room], current: Room | None) -> None:
        """Groups or their unread counts changed."""
        ...

    def show_people(self, people: list[PresentPeople]) -> None:
        """Who is in the group on the screen."""
        ...

    def show_status(self, sentence: str, *, connected: bool) -> None:
        """How the connection is doing, and who types."""
        ...

    def show_note(self, what: "str | Text | Table") -> None:
        """The answer to a command, or why it was refused."""
        ...
