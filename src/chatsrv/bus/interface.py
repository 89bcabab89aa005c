"""The interfaces between groups and connections: a subscriber takes encoded frames for its user and its groups."""

from typing import Protocol

from chatsrv.bus.parcels import Parcel


class SharedFrames:
    """Encoded frames that many connections get: the bytes are made once for each way of carrying them, and shared."""

    __slots__ = ("_websocket", "events", "frames")

    def __init__(self, frames: bytes, events: int) -> None:
        self.frames = frames
        self.events = events
        self._websocket: bytes | None = None

    @property
    def websocket(self) -> bytes:
        """The frames as one binary WebSocket message (server messages are unmasked, so it too can be shared)."""
        if self._websocket is None:
            self._websocket = websocket_header(len(self.frames)) + self.frames
        return self._websocket


def websocket_header(length: int) -> bytes:
    """Return the header of an unfragmented binary message from a server (RFC 6455, section 5.2)."""
    if length < 126:
        return bytes((0x82, length))
    if length < 65536:
        return b"\x82\x7e" + length.to_bytes(2, "big")
    return b"\x82\x7f" + length.to_bytes(8, "big")


class Subscriber(Protocol):
    """A logged-in connection."""

    @property
    def user_id(self) -> int:
        """Whose connection it is."""
        ...

    @property
    def session_id(self) -> int:
        """Which of the user's sessions."""
        ...

    def put_event(self, blob: SharedFrames, /) -> None:
        """Take these frames, or (the reader being too slow) drop them and say so later. Never blocks, never raises."""
        ...

    def put_hint(self, blob: SharedFrames) -> bool:
        """Take frames that may be lost, if nothing else waits to be written; answers whether they were taken."""
        ...

    def end(self, reason: str) -> None:
        """End the connection of a session that is over, after a notice that says why."""
        ...


class PresenceObserver(Protocol):
    """An observer of users who connect and disconnect. Called in the middle of a change: it must not await."""

    def user_online(self, user_id: int) -> None:
        """Take note of a user's first connection."""
        ...

    def user_offline(self, user_id: int) -> None:
        """Take note that a user's last connection is closed."""
        ...

    def connection_closed(self, subscriber: Subscriber) -> None:
        """Take note that a connection is closed."""
        ...

    def membership_lost(self, user_id: int) -> None:
        """Take note that a user is no longer in some group."""
        ...


class Relay(Protocol):
    """The way to the other nodes. It takes what it is given at once, never blocks, and may lose it."""

    def tell(self, parcel: Parcel, /) -> None:
        """Publish what a commit of this node led to."""
        ...

    def tell_user(self, user_id: int, blob: SharedFrames, /) -> None:
        """Publish frames for all connections of a user."""
        ...

    def end_sessions(self, user_id: int, session_ids: list[int], reason: str, /) -> None:
        """Publish that these sessions of the user are over."""
        ...

    def typing(self, group_id: int, at: int, people: list[tuple[int, str]], /) -> None:
        """Publish that these people type in a group, whose events were delivered here up to `at`."""
        ...

    def hide(self, user_id: int, hidden: bool, /) -> None:
        """Publish that the user hides from now on, or no longer."""
        ...

    def block(self, user_id: int, blocked_id: int, on: bool, /) -> None:
        """Publish that the user blocks somebody, or no longer."""
        ...

    def user_here(self, user_id: int, here: bool, /) -> None:
        """Publish that the user's first connection to this node is open, or the last one closed."""
        ...
