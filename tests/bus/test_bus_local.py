"""Who hears what on one node, and from where on."""

from support.bus_kit import Ear, blob, event, joined, left, listen, seqs

from chatsrv.bus import LocalBus
from chatsrv.bus.feed import MAX_WAITING
from chatsrv.bus.parcels import EventFrame, Joined, Left, Parcel, PersonalFrame, VariedFrame


def test_events_reach_those_attached_and_nobody_else() -> None:
    bus = LocalBus()
    ann, bob, eve = listen(bus, 1, 10, 20), listen(bus, 2, 10), listen(bus, 3)
    bus.take(event(10, 1, b"both"))
    bus.take(event(20, 1, b"ann"))
    bus.take(event(30, 1, b"nobody"))
    assert ann.heard == [b"both", b"ann"]
    assert bob.heard == [b"both"]
    assert eve.heard == []


def test_attaching_again_replaces_what_was_heard() -> None:
    bus = LocalBus()
    ann = listen(bus, 1, 10, 20)
    assert bus.attach(ann, {20: 0, 30: 0}, 1)
    for group_id in (10, 20, 30):
        bus.take(event(group_id, 1, b"%d" % group_id))
    assert ann.heard == [b"20", b"30"]


def test_all_devices_of_a_user_join_and_part() -> None:
    bus = LocalBus()
    phone, laptop = listen(bus, 1), listen(bus, 1, session_id=2)
    bus.take(joined(10, 1, 1, version=1))
    bus.take(event(10, 2))
    bus.take(left(10, 3, 1))
    bus.take(event(10, 4))
    assert seqs(phone.heard) == seqs(laptop.heard) == [2]


def test_what_is_for_a_user_reaches_their_devices() -> None:
    bus = LocalBus()
    phone, laptop, bob = listen(bus, 1), listen(bus, 1, session_id=2), listen(bus, 2)
    bus.publish_to_user(1, blob(b"yours"))
    bus.take(Parcel(10, 0, 0, [PersonalFrame(1, b"cursor")]))
    assert (phone.heard, laptop.heard, bob.heard) == ([b"yours", b"cursor"], [b"yours", b"cursor"], [])


def test_some_get_an_event_otherwise() -> None:
    bus = LocalBus()
    ann, bob = listen(bus, 1, 10), listen(bus, 2, 10)
    bus.take(Parcel(10, 1, 1, [VariedFrame(1, b"all of it", [({2}, b"nothing")])]))
    assert (ann.heard, bob.heard) == ([b"all of it"], [b"nothing"])


def test_who_is_logging_in_hears_nothing_yet_but_counts_as_connected() -> None:
    """Before LoggedIn a client takes frames of 4 KiB only: an event of a group, longer, would end its connection."""
    bus, ann = LocalBus(), Ear(1)
    bus.register(ann)
    bus.take(joined(10, 5, 1, version=1))
    bus.publish_to_user(1, blob(b"too early"))
    assert ann.heard == []
    assert bus.is_online(1)
    assert bus.connections(1) == [ann]
    assert not bus.attach(ann, {}, 0), "what was read does not know that they joined"
    assert bus.attach(ann, {10: 5}, 1)
    bus.take(event(10, 6))
    assert seqs(ann.heard) == [6]


def test_a_login_reads_again_where_its_user_was_removed_meanwhile() -> None:
    bus, ann = LocalBus(), Ear(1)
    bus.register(ann)
    bus.take(left(10, 6, 1))
    assert not bus.attach(ann, {10: 5}, 3)
    assert bus.attach(ann, {}, 4)
    bus.take(event(10, 7))
    assert ann.heard == []


def test_a_login_that_knows_of_the_removal_need_not_read_again() -> None:
    bus, ann = LocalBus(), Ear(1)
    bus.register(ann)
    bus.take(left(10, 6, 1))
    assert bus.attach(ann, {10: 8}, 5), "they came back with event 8"


def test_who_is_connected_hears_a_group_of_whose_change_another_was_told_first() -> None:
    """Channels of two groups may be woken in either order after their commits."""
    bus = LocalBus()
    ann = listen(bus, 1, 10)
    bus.take(joined(20, 4, 1, version=6))
    bus.take(joined(30, 9, 1, version=5))
    bus.take(event(20, 5))
    bus.take(event(30, 10))
    assert seqs(ann.heard) == [5, 10]


def test_changes_of_who_is_not_connected_leave_nothing_behind() -> None:
    bus = LocalBus()
    bus.take(joined(10, 1, 1, version=3))
    assert not bus.is_online(1)
    assert bus.applied() == {}


def test_unregister_forgets_everything_and_may_come_twice() -> None:
    bus = LocalBus()
    ann = listen(bus, 1, 10)
    bus.take(joined(20, 1, 1, version=2))
    bus.unregister(ann)
    bus.unregister(ann)
    for group_id in (10, 20):
        bus.take(event(group_id, 2))
    bus.publish_to_user(1, blob(b"late"))
    assert ann.heard == []
    assert (bus.applied(), bus.is_online(1), bus.connections(1)) == ({}, False, [])


def test_unregister_of_one_device_leaves_the_other() -> None:
    bus = LocalBus()
    phone, laptop = listen(bus, 1, 10), listen(bus, 1, 10, session_id=2)
    bus.unregister(phone)
    bus.take(event(10, 1))
    assert (seqs(phone.heard), seqs(laptop.heard)) == ([], [1])


def test_who_read_a_head_that_is_not_told_yet_hears_what_comes_after_it() -> None:
    bus = LocalBus()
    ann, bob = listen(bus, 1, 10, head=4), listen(bus, 2, 10, head=6)
    bus.take(Parcel(10, 5, 7, [EventFrame(seq, b"%d." % seq) for seq in (5, 6, 7)]))
    assert (seqs(ann.heard), seqs(bob.heard)) == ([5, 6, 7], [7])


def test_a_removal_from_before_the_login_changes_nothing_for_who_came_back() -> None:
    """The login read that they are in again, and what let them go and come back is told only now."""
    bus = LocalBus()
    listen(bus, 2, 10, head=4)
    ann = listen(bus, 1, 10, head=7, version=9)
    items = [Left(5, 1, b""), EventFrame(5, b"5."), EventFrame(6, b"6."), Joined(6, 1, 9, b""), EventFrame(7, b"7.")]
    bus.take(Parcel(10, 5, 7, items))
    bus.take(event(10, 8))
    assert seqs(ann.heard) == [8]


def test_what_let_somebody_in_before_their_login_does_not_do_so_again() -> None:
    """The login read that they are out again, and the bus was slow."""
    bus = LocalBus()
    ann = listen(bus, 1, version=9)
    bus.take(joined(10, 4, 1, version=8))
    bus.take(event(10, 5))
    assert ann.heard == []


def test_what_let_somebody_in_does_not_do_so_again_after_they_left() -> None:
    bus = LocalBus()
    ann = listen(bus, 1)
    for parcel in (
        joined(10, 4, 1, version=1),
        event(10, 5),
        left(10, 6, 1),
        joined(10, 4, 1, version=1),
        event(10, 5),
    ):
        bus.take(parcel)
    assert seqs(ann.heard) == [5]


def test_what_comes_early_waits_and_what_comes_twice_is_dropped() -> None:
    bus = LocalBus()
    gaps: list[int] = []
    bus.gap_listeners.append(lambda group_id, _is_own: gaps.append(group_id))
    ann = listen(bus, 1, 10)
    for seq in (1, 3, 4, 3, 1):
        bus.take(event(10, seq))
    assert seqs(ann.heard) == [1]
    assert set(gaps) == {10}
    assert bus.missing(10) == (1, 3)
    bus.take(event(10, 2))
    bus.take(event(10, 4))
    assert seqs(ann.heard) == [1, 2, 3, 4]
    assert bus.missing(10) is None


def test_a_parcel_of_which_a_part_was_told_brings_the_rest() -> None:
    bus = LocalBus()
    ann, eve = listen(bus, 1, 10), listen(bus, 2)
    bus.take(event(10, 1))
    bus.take(event(10, 2))
    items = [EventFrame(1, b"1."), Joined(1, 2, 1, b"added"), EventFrame(2, b"2."), EventFrame(3, b"3.")]
    bus.take(Parcel(10, 1, 3, [*items, PersonalFrame(1, b"-7.")]))
    assert seqs(ann.heard) == [1, 2, 3, -7]
    assert eve.heard == [], "they may have left since: their version says whether they are in"


def test_what_waits_is_bounded() -> None:
    bus = LocalBus()
    ann = listen(bus, 1, 10)
    for seq in range(2, MAX_WAITING + 100):
        bus.take(event(10, seq))
    bus.take(event(10, 1))
    assert seqs(ann.heard) == list(range(1, MAX_WAITING + 2))


def test_a_blob_is_one_websocket_message_of_each_length_class() -> None:
    for length, header in (
        (0, b"\x82\x00"),
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65535, b"\x82\x7e\xff\xff"),
        (65536, b"\x82\x7f" + (65536).to_bytes(8, "big")),
    ):
        body = b"x" * length
        made = blob(body)
        assert made.websocket == header + body
        assert made.websocket is made.websocket  # made once, shared by all members


def test_what_is_held_is_told_in_one_piece_with_what_follows() -> None:
    bus = LocalBus()
    gaps: list[int] = []
    bus.gap_listeners.append(lambda group_id, _is_own: gaps.append(group_id))
    ann = listen(bus, 1, 10)
    assert bus.hold(event(10, 1, b"1.2."))
    assert not bus.hold(event(10, 3)), "it came early: somebody has to look for what is missing"
    assert bus.hold(event(10, 2))
    assert (ann.heard, gaps, bus.missing(10)) == ([], [], None)
    bus.take(event(10, 3, b"3."), is_own=True)
    assert ann.heard == [b"1.2." + b"%d." % 2 + b"3."]
    assert bus.hold(event(10, 4, b"4."))
    bus.release(10)
    assert ann.heard[1:] == [b"4."]
    assert gaps == []
    assert not bus.hold(event(20, 1)), "nobody hears the group here"


def test_what_is_held_does_not_hide_what_is_missing() -> None:
    bus = LocalBus()
    gaps: list[bool] = []
    bus.gap_listeners.append(lambda _group_id, is_own: gaps.append(is_own))
    ann = listen(bus, 1, 10)
    assert bus.hold(event(10, 1))
    bus.take(event(10, 3), is_own=True)
    assert (seqs(ann.heard), gaps, bus.missing(10)) == ([1], [True], (1, 3))
    bus.take(event(10, 2))
    assert seqs(ann.heard) == [1, 2, 3]
