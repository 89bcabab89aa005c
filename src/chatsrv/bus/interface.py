"""What the groups see of a connection: something with a user that takes encoded frames, and is told of its groups."""

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
    """The header of an unfragmented binary message from a server (RFC 6455, section 5.2)."""
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
        """The session is over: tell the client why and close."""
        ...


class PresenceObserver(Protocol):
    """Somebody who has to know who comes and goes. Called in the middle of a change: plain data, no awaits."""

    def user_online(self, user_id: int) -> None:
        """The user's first connection is there."""
        ...

    def user_offline(self, user_id: int) -> None:
        """The user's last connection is gone."""
        ...

    def connection_closed(self, subscriber: Subscriber) -> None:
        """A connection is gone."""
        ...

    def membership_lost(self, user_id: int) -> None:
        """The user is no longer in some group."""
        ...


class Relay(Protocol):
    """The way to the other nodes. It takes what it is given at once, never blocks, and may lose it."""

    def tell(self, parcel: Parcel, /) -> None:
        """What a commit of this node led to."""
        ...

    def tell_user(self, user_id: int, blob: SharedFrames, /) -> None:
        """Frames for all connections of a user."""
        ...

    def end_sessions(self, user_id: int, session_ids: list[int], reason: str, /) -> None:
        """These sessions of the user are over."""
        ...

    def typing(self, group_id: int, at: int, people: list[tuple[int, str]], /) -> None:
        """These people type in a group, whose events were told here up to `at`."""
        ...

    def hide(self, user_id: int, hidden: bool, /) -> None:
        """The user hides from now on, or no longer."""
        ...

    def block(self, user_id: int, blocked_id: int, on: bool, /) -> None:
        """The user blocks somebody, or lets them again."""
        ...

    def user_here(self, user_id: int, here: bool, /) -> None:
        """The user's first connection to this node is there, or the last is gone."""
        ...
