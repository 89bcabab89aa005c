"""What `Client.events()` delivers besides the events of the wire: how the connection is doing."""

import attrs


@attrs.frozen(slots=True)
class Connected:
    """Logged in on a connection; `again` says that it replaces one that was lost."""

    user_id: int
    name: str
    again: bool


@attrs.frozen(slots=True)
class Disconnected:
    """The connection is gone, for a reason in words; the client makes the next one by itself."""

    reason: str


@attrs.frozen(slots=True)
class Reconnecting:
    """The next try comes after `delay` seconds; `failures` tries have failed since the last connection."""

    delay: float
    failures: int


@attrs.frozen(slots=True)
class Restored:
    """The server went back to an older copy of itself: this group's sequence ends at `seq`, before what was had.

    Events go on after `seq`. What stands there now under numbers that were had before is for the consumer to look up.
    """

    group_id: int
    seq: int
