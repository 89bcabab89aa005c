"""Parcels: what is new is encoded as what is stored; who leaves the audience is told so, in their place in the order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatsrv.bus.parcels import EventFrame, Left, Parcel
from chatsrv.groups.parcel_maker import ParcelMaker
from chatsrv.groups.wire import encode_share, event_of
from chatsrv.groups.wire_conversation import encode_sent, sent_of
from chatsrv.log import quiet_log
from chatsrv_protocol import encode, limits
from chatsrv_protocol.common import Lagging
from chatsrv_protocol.redpack import PacketShare
from chatsrv_storage.groups.models import EventRecord
from chatsrv_storage.replies import PaidShare, StoredMessage

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


@given(
    text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=300),
    sender=st.sampled_from(["ann", "Zoë", "x" * 32]),
    numbers=st.tuples(*[st.integers(1, 2**53 - 1)] * 5),
    data=st.sampled_from([None, {}, {"mentions": [BOB]}]),
)
def test_a_new_event_is_the_same_bytes_as_a_stored_one(
    text: str, sender: str, numbers: tuple[int, ...], data: dict[str, object] | None
) -> None:
    seq, message_id, ordinal, sender_id, sent_at = numbers
    record = EventRecord(10, seq, message_id, ordinal, sender_id, sender, sent_at, "text", text, data)
    maker = ParcelMaker(quiet_log())
    new, stored = maker.of_effects(10, [record]), maker.of_records(10, [record], [])
    assert frames_of(new) == frames_of(stored) == [encode(event_of(record))]


@given(request_id=st.integers(1, limits.MAX_REQUEST_ID), numbers=st.tuples(*[st.integers(1, 2**53 - 1)] * 5))
def test_the_answer_to_a_message_is_encoded_as_every_other(request_id: int, numbers: tuple[int, ...]) -> None:
    stored = StoredMessage(*numbers)
    assert encode_sent(request_id, stored) == encode(sent_of(stored), request_id)


@given(numbers=st.tuples(*[st.integers(1, 2**53 - 1)] * 8), request_id=st.integers(1, limits.MAX_REQUEST_ID))
def test_a_new_opening_and_its_answer_are_encoded_as_every_other(numbers: tuple[int, ...], request_id: int) -> None:
    seq, message_id, ordinal, sender_id, sent_at, packet, cents, left = numbers
    data = {"packet": packet, "cents": cents, "left": left}
    record = EventRecord(10, seq, message_id, ordinal, sender_id, "ann", sent_at, "opened", "", data)
    maker = ParcelMaker(quiet_log())
    assert frames_of(maker.of_effects(10, [record])) == frames_of(maker.of_records(10, [record], []))
    share = PaidShare(packet, cents, left, ordinal)
    assert encode_share(request_id, share) == encode(PacketShare(*share), request_id)


def test_a_new_message_that_is_too_large_for_a_frame_is_a_gap_that_clients_fetch() -> None:
    record = EventRecord(10, 5, 77, 1, ANN, "ann", 1_790_000_000_000, "text", "x" * limits.MAX_FRAME, None)
    assert frames_of(ParcelMaker(quiet_log()).of_effects(10, [record])) == [b""]


def frames_of(parcel: Parcel) -> list[bytes]:
    return [each.frame for each in parcel.items if isinstance(each, EventFrame)]
