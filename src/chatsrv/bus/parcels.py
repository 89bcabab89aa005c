"""Parcels: what one commit leads to for the audience of its group, events and changes of the audience in the order of the
sequence.

Each item of the sequence has the seq of its event. So a node that has told a part of it already, since it read those
events from the database, tells the rest.
"""

from collections.abc import Collection, Sequence
from typing import TypeAlias

import attrs


@attrs.define(eq=False)
class EventFrame:
    """An encoded event; empty where it cannot be encoded, which leaves a gap that clients fetch."""

    seq: int
    frame: bytes


@attrs.define(eq=False)
class VariedFrame:
    """An encoded event of which some users get another version; the sets of users are disjoint."""

    seq: int
    frame: bytes
    variants: Sequence[tuple[Collection[int], bytes]]


@attrs.define(eq=False)
class Joined:
    """A user hears the group from here on; `version` counts the changes of their list of groups."""

    seq: int
    user_id: int
    version: int
    frame: bytes


@attrs.define(eq=False)
class Left:
    """A user does not hear the group from here on, the event `seq` included."""

    seq: int
    user_id: int
    frame: bytes


@attrs.define(eq=False)
class PersonalFrame:
    """An encoded event for one user's devices, delivered in its place but not part of the sequence."""

    user_id: int
    frame: bytes


Item: TypeAlias = EventFrame | VariedFrame | Joined | Left | PersonalFrame


@attrs.define(eq=False)
class Parcel:
    """The items of a group's events from `first` to `last`, without a gap; both are 0 where all of it is personal."""

    group_id: int
    first: int
    last: int
    items: Sequence[Item]
