"""framing.py: bytes of any split into bodies, and nothing kept that is too long."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatsrv_protocol import ErrorCode, ProtocolError, limits
from chatsrv_protocol.codec import frame_of
from chatsrv_protocol.framing import FrameSplitter

VERBS = [b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE"]


def bodies_of(splitter):
    found = []
    while (body := splitter.next_body()) is not None:
        found.append(body)
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=5), st.data())
def test_any_split_gives_the_same_bodies(bodies, data):
    stream = b"".join(frame_of(body) for body in bodies) + b"\0\0"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    splitter = FrameSplitter(100)
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        splitter.feed(bytearray(stream[start:end]))
        if data.draw(st.booleans()):
            found += bodies_of(splitter)
    assert found + bodies_of(splitter) == bodies
    assert len(splitter) == 2


def test_byte_by_byte_at_once_and_with_bytes_trailing():
    stream = frame_of(b"abc") + frame_of(b"") + frame_of(b"defg")
    slow, fast = FrameSplitter(10), FrameSplitter(10)
    found = []
    for at in range(len(stream)):
        slow.feed(stream[at : at + 1])
        found += bodies_of(slow)
    fast.feed(stream + b"\0")
    assert found == bodies_of(fast) == [b"abc", b"", b"defg"]
    assert (len(slow), len(fast)) == (0, 1)


@pytest.mark.parametrize("bound", [limits.MAX_FRAME_BEFORE_LOGIN, limits.MAX_FRAME])
def test_the_length_is_checked_before_anything_is_kept(bound):
    splitter = FrameSplitter(bound)
    splitter.feed(frame_of(bytes(bound)))
    assert splitter.next_body() == bytes(bound)
    splitter.feed((bound + 1).to_bytes(4, "big"))
    with pytest.raises(ProtocolError) as caught:
        splitter.next_body()
    assert (caught.value.code, caught.value.fatal) == (ErrorCode.FRAME_TOO_LARGE, True)
    assert str(bound) in caught.value.message


def test_the_bound_may_rise_between_two_frames():
    splitter = FrameSplitter(4)
    splitter.feed(frame_of(b"abcd") + frame_of(b"abcdefgh"))
    assert splitter.next_body() == b"abcd"
    splitter.max_frame = 8
    assert splitter.next_body() == b"abcdefgh"


@pytest.mark.parametrize(
    ("start", "says"),
    [
        *[(verb + b" / HTTP/1.1\r\n", "HTTP") for verb in VERBS],
        (b"CONNECT example:443 HTTP/1.1\r\n", "HTTP"),
        (b"PRI * HTTP/2.0\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01", "TLS"),
        (b"SSH-2.0-OpenSSH\r\n", "SSH"),
        (b"HTTP/1.1 400 \r\n", "what answers here speaks HTTP"),
        (b"\x15\x03\x01\0\2\2\x46", "what answers here speaks TLS"),
        (b"\xff\xff\xff\xff", "4294967295 bytes"),
    ],
)
def test_other_protocols_get_a_sentence_that_helps(start, says):
    splitter = FrameSplitter(limits.MAX_FRAME)
    splitter.feed(start)
    with pytest.raises(ProtocolError) as caught:
        splitter.next_body()
    assert says in caught.value.message
    assert caught.value.fatal
