"""Parcels of what is stored: who leaves the audience is told that something was left out, in their place in the order."""

import pytest

from chatsrv.bus.parcels import EventFrame, Left
from chatsrv.groups.parcel_maker import ParcelMaker
from chatsrv.log import quiet_log
from chatsrv_protocol import encode
from chatsrv_protocol.common import Lagging
from chatsrv_storage.groups.models import EventRecord

ANN, BOB = 1, 2
ASK = encode(Lagging(1))


@pytest.mark.parametrize("kind", ["removed", "banned"])
def test_who_was_removed_leaves_before_the_event_and_asks_for_the_list(kind: str) -> None:
    data: dict[str, object] = {"member": [BOB, "bob"], **({"until": 9} if kind == "banned" else {})}
    parcel = ParcelMaker(quiet_log()).of_records(10, [_record(kind, data)], [ANN, BOB])
    left, told = parcel.items
    assert isinstance(left, Left)
    assert (left.user_id, left.frame) == (BOB, ASK)
    assert isinstance(told, EventFrame)
    assert told.frame


def test_everybody_hears_the_end_of_a_group_and_leaves_after_it() -> None:
    parcel = ParcelMaker(quiet_log()).of_records(10, [_record("dissolved", None)], [ANN, BOB])
    told, *left = parcel.items
    assert isinstance(told, EventFrame)
    assert told.frame
    assert [(each.user_id, each.frame) for each in left if isinstance(each, Left)] == [(ANN, ASK), (BOB, ASK)]


def _record(kind: str, data: dict[str, object] | None) -> EventRecord:
    return EventRecord(10, 5, 77, 1, ANN, "ann", 1_790_000_000_000, kind, "", data)
