"""Who hears what on one node, and the version that keeps an audience from being stale."""

import attrs

from chatsrv.bus import LocalBus, SharedFrames


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
    return SharedFrames(text, 1)


def test_publish_reaches_those_attached_and_nobody_else() -> None:
    bus = LocalBus()
    ann, bob, eve = Ear(1), Ear(2), Ear(3)
    for ear, groups in ((ann, [10, 20]), (bob, [10]), (eve, [])):
        bus.register(ear)
        bus.attach(ear, groups)
    bus.publish(10, blob(b"both"))
    bus.publish(20, blob(b"ann"))
    bus.publish(30, blob(b"nobody"))
    assert ann.heard == [b"both", b"ann"]
    assert bob.heard == [b"both"]
    assert eve.heard == []


def test_attaching_again_replaces_what_was_heard() -> None:
    bus, ann = LocalBus(), Ear(1)
    bus.register(ann)
    bus.attach(ann, [10, 20])
    bus.attach(ann, [20, 30])
    for group_id in (10, 20, 30):
        bus.publish(group_id, blob(b"%d" % group_id))
    assert ann.heard == [b"20", b"30"]


def test_all_devices_of_a_user_join_and_part() -> None:
    bus = LocalBus()
    phone, laptop = Ear(1, 1), Ear(1, 2)
    for ear in (phone, laptop):
        bus.register(ear)
        bus.attach(ear, [])
    bus.join(1, 10, version=1)
    bus.publish(10, blob(b"in"))
    bus.part(1, 10, version=2)
    bus.publish(10, blob(b"out"))
    assert phone.heard == laptop.heard == [b"in"]


def test_tell_reaches_the_devices_of_one_user() -> None:
    bus = LocalBus()
    phone, laptop, bob = Ear(1, 1), Ear(1, 2), Ear(2)
    for ear in (phone, laptop, bob):
        bus.register(ear)
        bus.attach(ear, [])
    bus.publish_to_user(1, blob(b"yours"))
    assert (phone.heard, laptop.heard, bob.heard) == ([b"yours"], [b"yours"], [])


def test_who_is_logging_in_hears_nothing_yet_but_counts_as_connected() -> None:
    """Before LoggedIn a client takes frames of 4 KiB only: an event of a group, longer, would end its connection."""
    bus, ann = LocalBus(), Ear(1)
    bus.register(ann)
    bus.join(1, 10, version=1)
    bus.publish(10, blob(b"too early"))
    bus.publish_to_user(1, blob(b"too early too"))
    assert ann.heard == []
    assert bus.version_of(1) == 1
    assert bus.is_online(1)
    assert bus.connections(1) == [ann]
    bus.attach(ann, [10])
    bus.publish(10, blob(b"now"))
    assert ann.heard == [b"now"]


def test_parting_while_logging_in_is_no_error_and_bumps_the_version() -> None:
    bus, ann = LocalBus(), Ear(1)
    bus.register(ann)
    bus.part(1, 10, version=4)
    assert bus.version_of(1) == 4


def test_the_version_never_goes_back() -> None:
    """Channels of two groups may be woken in either order after their commits."""
    bus, ann = LocalBus(), Ear(1)
    bus.register(ann)
    bus.attach(ann, [10, 20])
    bus.part(1, 20, version=6)
    bus.part(1, 10, version=5)
    assert bus.version_of(1) == 6


def test_changes_of_who_is_not_connected_leave_nothing_behind() -> None:
    bus = LocalBus()
    bus.join(1, 10, version=3)
    assert bus.version_of(1) == 0
    assert not bus.is_online(1)


def test_unregister_forgets_everything_and_may_come_twice() -> None:
    bus, ann = LocalBus(), Ear(1)
    bus.register(ann)
    bus.attach(ann, [10])
    bus.join(1, 20, version=2)
    bus.unregister(ann)
    bus.unregister(ann)
    for group_id in (10, 20):
        bus.publish(group_id, blob(b"late"))
    bus.publish_to_user(1, blob(b"late"))
    assert ann.heard == []
    assert (bus.version_of(1), bus.is_online(1), bus.connections(1)) == (0, False, [])


def test_unregister_of_one_device_leaves_the_other() -> None:
    bus, phone, laptop = LocalBus(), Ear(1, 1), Ear(1, 2)
    for ear in (phone, laptop):
        bus.register(ear)
        bus.attach(ear, [10])
    bus.unregister(phone)
    bus.publish(10, blob(b"still here"))
    assert (phone.heard, laptop.heard) == ([], [b"still here"])


def test_detached_devices_hear_the_group_no_more_and_keep_their_version() -> None:
    bus, ann = LocalBus(), Ear(1)
    bus.register(ann)
    bus.attach(ann, [10, 20])
    bus.detach(1, 10)
    bus.detach(2, 10)
    bus.publish(10, blob(b"not yet"))
    bus.publish(20, blob(b"this one"))
    assert ann.heard == [b"this one"]
    assert bus.version_of(1) == 0


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
