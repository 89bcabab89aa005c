"""Connections and parcels for tests of the bus."""

from collections.abc import Iterable

import attrs

from chatsrv.bus import LocalBus, SharedFrames
from chatsrv.bus.parcels import EventFrame, Joined, Left, Parcel


@attrs.define(eq=False)
class Ear:
    """A connection that keeps what it was handed."""

    user_id: int
    session_id: int = 1
    heard: list[bytes] = attrs.field(factory=list)
    ended: str | None = None

    def put_event(self, blob: SharedFrames) -> None:
        self.heard.append(blob.frames)

    def put_hint(self, blob: SharedFrames) -> bool:
        self.heard.append(blob.frames)
        return True

    def end(self, reason: str) -> None:
        self.ended = reason


def blob(text: bytes) -> SharedFrames:
    """Frames that are this text."""
    return SharedFrames(text, 1)


def listen(bus: LocalBus, user_id: int, *groups: int, session_id: int = 1, head: int = 0, version: int = 0) -> Ear:
    """A connection whose login read these groups, all with this head."""
    ear = Ear(user_id, session_id)
    bus.register(ear)
    assert bus.attach(ear, dict.fromkeys(groups, head), version)
    return ear


def event(group_id: int, seq: int, text: bytes | None = None) -> Parcel:
    """One event, which is its own number unless told otherwise."""
    return Parcel(group_id, seq, seq, [EventFrame(seq, b"%d." % seq if text is None else text)])


def joined(group_id: int, seq: int, user_id: int, version: int) -> Parcel:
    """The event that lets somebody in."""
    return Parcel(group_id, seq, seq, [EventFrame(seq, b"%d." % seq), Joined(seq, user_id, version, b"")])


def left(group_id: int, seq: int, user_id: int) -> Parcel:
    """The event that takes somebody out."""
    return Parcel(group_id, seq, seq, [Left(seq, user_id, b""), EventFrame(seq, b"%d." % seq)])


def seqs(heard: Iterable[bytes]) -> list[int]:
    """The events in what a connection was handed."""
    return [int(each) for each in b"".join(heard).split(b".") if each]
