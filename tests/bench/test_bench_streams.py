"""The proof proves: a lost, doubled, swapped or changed event is noticed wherever the network cut the stream."""

import random

import pytest

from bench.data.dataset import overlapping
from bench.reporting.histogram import Latencies
from bench.workers.streams import GroupStream, Member, WrongStream
from bench.workers.wire import SendMaker, cut_tcp, cut_websocket, masked, said
from chatsrv_protocol import ConnectionState, ProtocolConnection, Received, Role, encode
from chatsrv_protocol.messages import Message, Send, Sent

GROUP = 1 << 60


def event(seq: int, number: int | None = None) -> bytes:
    text = f"{7:06x}{number or seq:08x}{123456789:016x}".ljust(64, ".")
    return encode(Message(GROUP, seq, seq + 10, seq, 7, "ann", 1_790_000_000_000, 1, text))


STREAM = b"".join(event(seq) for seq in range(5, 300))


def pieces(data: bytes, seed: int) -> list[bytes]:
    chooser = random.Random(seed)
    cuts = sorted(chooser.sample(range(1, len(data)), 20))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_any_cutting_of_the_same_stream_is_accepted_and_counted(seed: int):
    stream = GroupStream(GROUP, websocket=False)
    for reader in range(4):
        at = 0
        for piece in pieces(STREAM, seed * 10 + reader):
            at = stream.accept(at, piece)
        assert stream.delivered(at) == 295
        assert stream.delivered(at - 1) == 294
    assert [seq for _, seq, _ in stream.messages()] == list(range(5, 300))


@pytest.mark.parametrize("at", [0, 3, 50, 20_000])
def test_a_changed_byte_is_noticed(at: int):
    stream = GroupStream(GROUP, websocket=False)
    stream.accept(0, STREAM)
    wrong = bytearray(STREAM)
    wrong[at] ^= 1
    with pytest.raises(WrongStream):
        stream.accept(0, bytes(wrong))


def test_a_lost_event_is_noticed_by_the_other_members():
    stream = GroupStream(GROUP, websocket=False)
    stream.accept(0, event(1) + event(2) + event(3))
    with pytest.raises(WrongStream):
        stream.accept(0, event(1) + event(3))


@pytest.mark.parametrize("numbers", [(1, 3), (1, 1), (2, 1)])
def test_a_stream_with_a_gap_is_noticed_even_if_all_received_it(numbers: tuple[int, int]):
    stream = GroupStream(GROUP, websocket=False)
    stream.accept(0, b"".join(event(number) for number in numbers))
    with pytest.raises(WrongStream, match="came"):
        list(stream.messages())


class NoLink:
    websocket = False


@pytest.mark.parametrize("size", [1, 7, 100, 5000, 100_000])
def test_a_sender_finds_its_acks_between_the_events(size: int):
    stream = GroupStream(GROUP, websocket=False)
    other = stream.accept(0, STREAM[:10_000])
    member = Member(NoLink(), 0, stream, sender=True)  # pyright: ignore[reportArgumentType]
    frames = [event(seq) for seq in range(5, 300)]
    for place, request_id in ((0, 1), (0, 2), (90, 3), (200, 4), (295, 5)):
        frames.insert(place, encode(Sent(GROUP, 5, 6, 7, 8), request_id))
    data = b"".join(frames)
    replies = [reply for at in range(0, len(data), size) for reply in member.take(data[at : at + size])]
    assert sorted(reply[1] for reply in replies) == [1, 2, 3, 4, 5]
    assert stream.delivered(member.at) == 295
    assert stream.accept(other, STREAM[10_000:]) == len(STREAM)


def test_a_hand_made_send_is_what_the_protocol_reads():
    frame = SendMaker(GROUP, 128).make(77, 5, 3, 9, 123_456)
    server = ProtocolConnection(Role.SERVER)
    server.state = ConnectionState.MEMBER
    server.feed(frame)
    received = server.next()
    assert isinstance(received, Received)
    assert received.request_id == 77
    assert isinstance(received.message, Send)
    assert received.message.group_id == GROUP
    assert len(received.message.text) == 128
    assert said(received.message.text) == (3, 9, 123_456)


@pytest.mark.parametrize("size", [5, 125, 126, 65535, 65536])
def test_a_masked_message_says_its_length(size: int):
    message = masked(bytes(size))
    head = len(message) - size
    assert head == (6 if size < 126 else 8 if size < 65536 else 14)


@pytest.mark.parametrize("size", [7, 8, 11, 100, 125, 126, 70_000])
@pytest.mark.parametrize("websocket", [False, True])
def test_a_unit_is_cut_as_soon_as_its_kind_can_be_told_and_a_short_one_when_it_is_whole(size: int, websocket: bool):
    frame = (size - 4).to_bytes(4, "big") + b"\x93\xcd\x02\x41".ljust(size - 4, b"\x01")[: size - 4]
    head = b""
    if websocket:
        head = b"\x82" + bytes((min(size, 126),)) + (size % 65536).to_bytes(2, "big") * (size > 125)
        if size > 65535:
            head = b"\x82\x7f" + size.to_bytes(8, "big")
    cut = cut_websocket if websocket else cut_tcp
    whole = head + frame
    enough = len(head) + min(8, size)
    assert cut(whole[: enough - 1], 0) == (0, 0)
    assert cut(whole[:enough], 0) == (len(head), len(whole))
    assert cut(b"xyz" + whole, 3) == (3 + len(head), 3 + len(whole))


def test_percentiles_are_exact_to_a_percent():
    latencies = Latencies()
    for millis in range(1, 1001):
        latencies.add(millis * 1_000_000)
    merged = Latencies()
    merged.merge(latencies.dump())
    assert merged.at(0.5) == pytest.approx(500, rel=0.011)
    assert merged.at(0.999) == pytest.approx(999, rel=0.011)
    assert merged.summary()["max_ms"] == 1000


def test_everybody_is_in_as_many_groups():
    shapes = overlapping(100, 7, 20)
    assert len(shapes) == 35
    assert all(len(set(shape)) == 20 for shape in shapes)
    assert all(sum(person in shape for shape in shapes) == 7 for person in range(100))
