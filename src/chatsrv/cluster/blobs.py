"""Blobs: everything that a node publishes to the others at one moment.

    [name, started, number, parcels, personal, notes]

    name, started   the node, and when its process began (ms since 1970): another process counts anew
    number          counts the node's blobs, so that a hole is seen
    parcels         [[group id, first, last, [item, …]], …], an item being a tag and its fields (parcels.py)
    personal        [[user id, events, frames], …]
    notes           [[kind, …], …]: sessions that ended, who types, who is here, errands

Frames stay as clients get them. MessagePack; the nodes trust each other, and a blob that cannot be read is as good as lost.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

import attrs
import msgpack

from chatsrv.bus.parcels import EventFrame, Item, Joined, Left, Parcel, PersonalFrame, VariedFrame

_packb = cast("Callable[..., bytes]", msgpack.packb)
_unpackb = cast("Callable[..., Any]", msgpack.unpackb)

Note: TypeAlias = list[Any]
"""A kind and its values."""

_EVENT: Final = 0
_VARIED: Final = 1
_JOINED: Final = 2
_LEFT: Final = 3
_PERSONAL: Final = 4


class BadBlob(Exception):
    """This is no blob of a node of this version."""


@attrs.define(eq=False)
class Blob:
    """A blob that was read."""

    name: str
    started_ms: int
    number: int
    parcels: list[Parcel]
    personal: list[tuple[int, int, bytes]]
    notes: list[Note]


def pack_blob(
    name: str,
    started_ms: int,
    number: int,
    parcels: list[Parcel],
    personal: list[tuple[int, int, bytes]],
    notes: list[Note],
) -> bytes:
    """Encode a blob: what a node publishes at once."""
    packed = [[each.group_id, each.first, each.last, [_fields(item) for item in each.items]] for each in parcels]
    return _packb([name, started_ms, number, packed, personal, notes])


def blob_start(name: str, started_ms: int) -> bytes:
    """Return how each blob of a node's process begins: so a node knows its own without decoding them."""
    return b"\x96" + _packb(name) + _packb(started_ms)


def unpack_blob(data: bytes) -> Blob:
    """Decode a blob of another node. Raises BadBlob."""
    try:
        name, started_ms, number, packed, personal, notes = _unpackb(data, strict_map_key=False)
        parcels = [
            Parcel(group_id, first, last, [_item(*each) for each in items]) for group_id, first, last, items in packed
        ]
        return Blob(name, started_ms, number, parcels, [tuple(each) for each in personal], notes)
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        raise BadBlob(f"a blob on the bus cannot be read: {error!r}") from error


def _fields(item: Item) -> list[object]:
    if isinstance(item, EventFrame):
        return [_EVENT, item.seq, item.frame]
    if isinstance(item, VariedFrame):
        return [_VARIED, item.seq, item.frame, [[sorted(users), frame] for users, frame in item.variants]]
    if isinstance(item, Joined):
        return [_JOINED, item.seq, item.user_id, item.version, item.frame]
    if isinstance(item, Left):
        return [_LEFT, item.seq, item.user_id, item.frame]
    return [_PERSONAL, item.user_id, item.frame]


def _item(tag: int, *fields: Any) -> Item:
    if tag == _EVENT:
        return EventFrame(*fields)
    if tag == _VARIED:
        seq, frame, variants = fields
        return VariedFrame(seq, frame, [(frozenset(users), other) for users, other in variants])
    return {_JOINED: Joined, _LEFT: Left, _PERSONAL: PersonalFrame}[tag](*fields)
