"""RESP: replies read from pieces cut anywhere, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatsrv.cluster.outgoing import MAX_WAITING_BYTES
from chatsrv.cluster.resp import (
    MAX_BULK_BYTES,
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_LINE_BYTES,
    ErrorReply,
    Push,
    Reply,
    RespError,
    RespParser,
    encode_command,
    push_start,
)

HEAD = push_start(b"message", b"channel")
TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)


def encode(reply: Reply) -> bytes:
    """What a server sends for a reply."""
    match reply:
        case None:
            return b"_\r\n"
        case int():
            return b":%d\r\n" % reply
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(reply), reply)
        case ErrorReply():
            return b"-%b\r\n" % reply.text.encode()
        case list():
            kind = b">" if isinstance(reply, Push) else b"*"
            return b"%b%d\r\n" % (kind, len(reply)) + b"".join(map(encode, reply))


SCALARS: st.SearchStrategy[Reply] = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=100), st.builds(ErrorReply, TEXT)
)
REPLIES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.builds(Push, st.lists(inner, max_size=4)), max_leaves=12
)


@given(st.lists(REPLIES | st.binary(max_size=300).map(lambda blob: Push([b"message", b"channel", blob]))), st.data())
def test_replies_are_read_wherever_they_are_cut(replies: list[Reply], data: st.DataObject) -> None:
    sent = b"".join(map(encode, replies))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(sent)), max_size=20)))
    quick, plain = RespParser(HEAD), RespParser()
    heard: list[bytes] = []
    others: list[Reply] = []
    everything: list[Reply] = []
    for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        others += quick.feed(sent[start:end], heard)
        everything += plain.feed(sent[start:end], [])
    assert everything == replies
    assert [type(each) for each in everything] == [type(each) for each in replies]
    messages = [encode(each).startswith(HEAD) for each in replies]
    assert others == [each for each, is_message in zip(replies, messages, strict=True) if not is_message]
    assert heard == [
        each[2] for each, is_message in zip(replies, messages, strict=True) if is_message and isinstance(each, list)
    ]


@given(st.binary(max_size=200), st.data())
def test_garbage_is_refused_or_read_and_never_anything_else(sent: bytes, data: st.DataObject) -> None:
    def read(pieces: list[bytes]) -> object:
        parser = RespParser(HEAD)
        try:
            return [parser.feed(piece, []) for piece in pieces][-1:] and "read"
        except RespError:
            return "refused"

    cut = data.draw(st.integers(0, len(sent)))
    assert (
        read([sent]) == read([sent[:cut], sent[cut:]]) == read([sent[at : at + 1] for at in range(len(sent))] or [b""])
    )


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"+OK\r\n", b"OK"),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"#t\r\n", b"t"),
        (b",1.5\r\n", b"1.5"),
        (b"(12345678901234567890123\r\n", b"12345678901234567890123"),
        (b"=7\r\ntxt:abc\r\n", b"txt:abc"),
        (b"!5\r\nERR x\r\n", ErrorReply("ERR x")),
        (b"%1\r\n$1\r\na\r\n:1\r\n", [b"a", 1]),
        (b"~1\r\n:1\r\n", [1]),
    ],
)
def test_every_type_of_resp3_is_read(sent: bytes, reply: Reply) -> None:
    assert RespParser().feed(sent, []) == [reply]


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"H",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\r\n",
        b"$?\r\n",
        b"$ 1\r\na\r\n",
        b"$1_0\r\n",
        b"$+1\r\na\r\n",
        b"$-2\r\n",
        b":\r\n",
        b":1.5\r\n",
        b":99999999999999999999\r\n",
        b"$1\r\nab\r\n",
        b"$%d\r\n" % (MAX_BULK_BYTES + 1),
        b"$99999999999999999999999\r\n",
        b"*%d\r\n" % (MAX_ITEMS + 1),
        b"*1\r\n" * (MAX_DEPTH + 2),
        b"+" + b"x" * (MAX_LINE_BYTES + 2),
        b"$" + b"1" * (MAX_LINE_BYTES + 2),
        HEAD + b"-2\r\n",
    ],
    ids=repr,
)
def test_what_no_redis_says_is_refused(sent: bytes) -> None:
    parser = RespParser(HEAD)
    with pytest.raises(RespError):
        for piece in (sent[at : at + 4096] for at in range(0, len(sent), 4096)):
            parser.feed(piece, [])


def test_a_reply_of_many_long_strings_is_refused_before_it_is_kept() -> None:
    parser = RespParser(max_bulk_bytes=1_000)
    part = b"$1000\r\n" + b"x" * 1_000 + b"\r\n"
    with pytest.raises(RespError):
        for piece in [b"*1000\r\n", *[part] * 100]:
            parser.feed(piece, [])


def test_the_longest_blob_is_shorter_than_the_longest_string() -> None:
    assert MAX_BULK_BYTES >= 2 * MAX_WAITING_BYTES


def test_a_command_is_an_array_of_strings() -> None:
    command = encode_command(b"PUBLISH", b"channel", b"\r\n\x00")
    assert command == b"*3\r\n$7\r\nPUBLISH\r\n$7\r\nchannel\r\n$3\r\n\r\n\x00\r\n"
    assert RespParser().feed(command, []) == [[b"PUBLISH", b"channel", b"\r\n\x00"]]
