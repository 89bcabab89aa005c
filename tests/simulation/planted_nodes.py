"""Bugs on purpose in what makes several nodes one server: some seed has to find each of them (see planted.py)."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import trio

from chatsrv.bus.feed import Feed
from chatsrv.bus.local import LocalBus
from chatsrv.bus.parcels import Left, Parcel
from chatsrv.cluster.database_look import DatabaseLook
from chatsrv.groups.parcel_maker import ParcelMaker
from simulation.replaced import replaced


def nodes_tell_nobody() -> AbstractContextManager[None]:
    """What a commit led to is told on its own node alone."""
    return replaced(LocalBus, "tell", lambda self, parcel: self.take(parcel))


def the_heads_are_not_looked_at() -> AbstractContextManager[None]:
    """A node that hears nothing of a commit misses it, until the next event of that group."""

    async def fill(self: Any, heads: Any) -> None:
        del self, heads
        await trio.lowlevel.checkpoint()

    return replaced(DatabaseLook, "_fill", fill)


def the_repair_leaves_out_an_event() -> AbstractContextManager[None]:
    """Of what is read again the second event is not told."""
    original = ParcelMaker.of_records

    def of_records(self: Any, group_id: int, records: Any, here: Any) -> Parcel:
        parcel = original(self, group_id, records, here)
        return Parcel(group_id, parcel.first, parcel.last, [*parcel.items[:1], *parcel.items[2:]])

    return replaced(ParcelMaker, "of_records", of_records)


def who_is_removed_leaves_too_late() -> AbstractContextManager[None]:
    """An audience changes only after all that a commit led to was told."""
    original = ParcelMaker.of_effects

    def of_effects(self: Any, group_id: int, effects: Any) -> Parcel:
        parcel = original(self, group_id, effects)
        parcel.items = sorted(parcel.items, key=lambda item: isinstance(item, Left))
        return parcel

    return replaced(ParcelMaker, "of_effects", of_effects)


def the_repair_forgets_who_left() -> AbstractContextManager[None]:
    """What is read again takes nobody out of the audience."""
    original = ParcelMaker.of_records

    def of_records(self: Any, group_id: int, records: Any, here: Any) -> Parcel:
        parcel = original(self, group_id, records, here)
        return Parcel(
            group_id, parcel.first, parcel.last, [each for each in parcel.items if not isinstance(each, Left)]
        )

    return replaced(ParcelMaker, "of_records", of_records)


def a_parcel_is_told_before_its_turn() -> AbstractContextManager[None]:
    """What comes before what is missing is told at once."""
    return replaced(Feed, "due", lambda self, parcel: [parcel])


NODE_BUGS: Final[dict[str, Callable[[], AbstractContextManager[None]]]] = {
    "nodes tell nobody what they stored": nodes_tell_nobody,
    "the heads are not looked at": the_heads_are_not_looked_at,
    "the repair leaves out an event": the_repair_leaves_out_an_event,
    "who is removed leaves too late": who_is_removed_leaves_too_late,
    "the repair forgets who left": the_repair_forgets_who_left,
    "a parcel is told before its turn": a_parcel_is_told_before_its_turn,
}
