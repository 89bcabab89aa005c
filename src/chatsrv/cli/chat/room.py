"""What a chat shows, and on what: groups with their events, the people in them, and the Screen of both modes."""

from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

KEPT: Final = 1000
"""Events kept of a group; older ones are a `/history` away."""


@attrs.define(slots=True)
class Room:
    """A group as this chat knows it. `events` by sequence number; `role` 0 for one that one is not in any more."""

    group_id: int
    name: str
    head: int
    ordinal: int
    read_ordinal: int
    events: dict[int, Any] = attrs.field(factory=dict[int, Any])
    opened: bool = False
    marked: int = 0

    @property
    def unread(self) -> int:
        """How many messages there are above one's cursor."""
        return max(self.ordinal - self.read_ordinal, 0)

    def take(self, event: Any) -> bool:
        """Keep an event; False if it is known."""
        if event.seq in self.events:
            return False
        self.events[event.seq] = event
        self.head = max(self.head, event.seq)
        self.ordinal = max(self.ordinal, getattr(event, "ordinal", 0))
        while len(self.events) > KEPT:
            del self.events[min(self.events)]
        return True


@attrs.frozen(slots=True)
class Here:
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

    def show_people(self, people: list[Here]) -> None:
        """Who is in the group on the screen."""
        ...

    def show_status(self, sentence: str, *, connected: bool) -> None:
        """How the connection is doing, and who types."""
        ...

    def show_note(self, what: "str | Text | Table") -> None:
        """The answer to a command, or why it was refused."""
        ...
