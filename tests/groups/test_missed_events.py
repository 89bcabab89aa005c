"""What was missed is encoded once for all who missed it, and nobody is told what was true before a change."""

from itertools import count
from typing import Any

import attrs
import pytest
from support.server_kit import Client, RefusedError, client_id, enter

from chatsrv.groups.missed_events import (
    FRAME_BASE_BYTES,
    MAX_RANGE_BYTES,
    RANGE_BASE_BYTES,
    EncodedRange,
    MissedEvents,
)
from chatsrv.groups.wire import event_of
from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol import encode
from chatsrv_protocol.conversation import Edit, Pin, React, Recall
from chatsrv_protocol.groups import LeaveGroup, RemoveMember, RenameGroup
from chatsrv_protocol.messages import Send, SendExtra
from chatsrv_protocol.presence import Block
from chatsrv_protocol.sync import CatchUp, Range
from chatsrv_storage.groups.models import EventRecord
from chatsrv_storage.messages.history import EventRange, FoundRange
from chatsrv_storage.messages.message_content import refers, resolve_references

FREE = attrs.evolve(QUICK, changes_per_second=0, messages_per_second=0)


def record(seq: int, text: str = "hello", kind: str = "text", data: dict[str, Any] | None = None) -> EventRecord:
    return EventRecord(7, seq, 1_000 + seq, seq, 1, "ann", 1_700_000_000_000, kind, text, data)


def found(after: int, head: int, text: str = "hello") -> FoundRange:
    records = [record(seq, text) for seq in range(after + 1, head + 1)]
    return FoundRange(records, 1, EventRange(7, after, head))


def encoded(part: FoundRange, request_id: int) -> bytes:
    return b"".join(encode(event_of(each), request_id) for each in part.records)


IDS = [1, 127, 128, 200, 255, 256, 65_535, 65_536, 2**32 - 1]


@pytest.mark.parametrize("first", IDS)
def test_an_answer_from_what_was_kept_is_the_same_bytes_under_every_request_id(first: int) -> None:
    missed = MissedEvents()
    part = found(3, 9)
    assert b"".join(missed.frames([part], first)) == encoded(part, first)
    hits = 0
    for request_id in IDS:
        kept = missed.finder(request_id)(EventRange(7, 3, 9))
        if kept is not None:
            hits += 1
            assert b"".join(missed.frames([kept], request_id)) == encoded(part, request_id)
    assert hits >= 1


def test_only_the_very_range_is_found_and_only_under_its_head() -> None:
    missed = MissedEvents()
    list(missed.frames([found(3, 9)], 5))
    find = missed.finder(6)
    assert find(EventRange(7, 3, 9)) is not None
    for other in (EventRange(8, 3, 9), EventRange(7, 2, 9), EventRange(7, 3, 8), EventRange(7, 3, 10)):
        assert find(other) is None
    list(missed.frames([found(3, 10)], 5))
    assert find(EventRange(7, 3, 9)) is None


def test_what_is_not_whole_or_too_long_is_not_kept() -> None:
    missed = MissedEvents()
    list(missed.frames([attrs.evolve(found(3, 9), whole=None), found(0, 3, "x" * MAX_RANGE_BYTES)], 5))
    find = missed.finder(5)
    assert find(EventRange(7, 3, 9)) is None
    assert find(EventRange(7, 0, 3)) is None


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    one = len(encoded(found(0, 1), 5)) + RANGE_BASE_BYTES + FRAME_BASE_BYTES
    missed = MissedEvents(3 * one)
    for head in range(1, 6):
        for _ in range(2):  # the same again takes no more room
            list(missed.frames([found(head - 1, head)], 5))
    find = missed.finder(5)
    assert [head for head in range(1, 6) if find(EventRange(7, head - 1, head))] == [3, 4, 5]


@pytest.mark.parametrize(
    ("kind", "data", "points"),
    [
        ("text", None, False),
        ("text", {"edited": [4, 5]}, False),
        ("text", {"recalled": True}, False),
        ("text", {"mentions": [2]}, False),
        ("added", {"members": [[2, "bob"]]}, False),
        ("recalled", {"of": 2}, False),
        ("pinned", {"of": 2, "on": True}, False),
        ("text", {"all": True}, True),
        ("text", {"reply": 2}, True),
        ("image", {"media": {"id": 3}}, True),
        ("edited", {"of": 2}, True),
        ("reacted", {"of": 2, "emoji": "x", "on": True}, True),
    ],
)
def test_an_event_that_refers_to_nothing_is_told_to_everybody_as_it_is_stored(
    kind: str, data: dict[str, Any] | None, points: bool
) -> None:
    event = record(9, kind=kind, data=data)
    assert refers(event) is points
    if not points:
        assert resolve_references(None, event, 1 << 40, 99) is event  # pyright: ignore[reportArgumentType] # no look-up


async def caught_up(client: Client, group_id: int, after: int) -> list[Any]:
    request_id = await client.start(CatchUp((Range(group_id, after),)))
    await client.answer(request_id)
    return client.streamed.pop(request_id, [])


async def told(client: Client, group_id: int, after: int) -> list[Any]:
    """Return what the history says to a client; nothing where they are not in the group."""
    try:
        return await client.history(group_id, after)
    except RefusedError:
        return []


async def test_whatever_happens_in_a_group_everybody_catches_up_with_what_the_history_says(
    autojump_clock: object,
) -> None:
    """The history keeps nothing. cal came later, without what was before; dan blocks ann for a while."""
    async with open_test_server(FREE) as server:
        ann, bob, cal, dan = await enter(server, "ann", "bob", "cal", "dan")
        group_id = await ann.make_group("home", bob, dan, history=False)
        serial = count(1)

        def new() -> bytes:
            return client_id(ann.now_ms + next(serial))

        async def do(client: Client, command: Any) -> None:
            await client.ask(command)
            readers = [ann, bob, cal, dan]
            if next(serial) % 2:  # whoever comes first, the others get what was kept for them
                readers.reverse()
            for after in range(0, 30, 3):
                for reader in readers:
                    expected = await told(reader, group_id, after)
                    assert await caught_up(reader, group_id, after) == expected
                    assert len(expected) < 64  # short catch-ups

        await do(ann, Send(new(), group_id, "one"))
        await do(bob, Send(new(), group_id, "two"))
        await do(ann, Send(new(), group_id, "three"))
        await do(ann, Edit(new(), group_id, 2, "ONE"))
        await do(bob, Recall(new(), group_id, 3))
        await ann.add(group_id, cal)
        await do(ann, Send(new(), group_id, "four"))
        await do(ann, React(new(), group_id, 4, "\N{THUMBS UP SIGN}"))
        await do(bob, Send(new(), group_id, "an answer", SendExtra(reply_to=4)))
        await do(ann, Edit(new(), group_id, 4, "THREE"))
        await do(ann, Send(new(), group_id, "all!", SendExtra(mention_all=True)))
        await do(dan, Block(ann.user_id))
        await do(ann, Pin(new(), group_id, 8))
        await do(dan, Block(ann.user_id, on=False))
        await do(ann, RenameGroup(new(), group_id, "work"))
        await do(ann, Recall(new(), group_id, 8))
        await do(ann, RemoveMember(new(), group_id, cal.user_id))
        await do(ann, Send(new(), group_id, "without cal"))
        await ann.add(group_id, cal)
        await do(ann, Send(new(), group_id, "with cal again"))
        await do(cal, Send(new(), group_id, "hi"))
        await do(cal, LeaveGroup(new(), group_id))


async def test_members_who_missed_the_same_share_one_encoding_under_any_short_id(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_test_server(FREE) as server:
        ann, bob, cal = await enter(server, "ann", "bob", "cal")
        group_id = await ann.make_group("home", bob, cal)
        for n in range(5):
            await ann.say(group_id, str(n))
        read: list[int] = []
        monkeypatch.setattr(
            "chatsrv.groups.missed_events.event_of", lambda record: (read.append(record.seq), event_of(record))[1]
        )
        expected = await ann.history(group_id, 1)
        assert [await caught_up(each, group_id, 1) for each in (bob, cal, bob)] == [expected] * 3
        assert read == [2, 3, 4, 5, 6]
        await ann.say(group_id, "and more")
        assert await caught_up(bob, group_id, 1) == await ann.history(group_id, 1)
        assert read == [2, 3, 4, 5, 6, *range(2, 8)]


def test_an_encoded_range_says_how_many_events_it_holds() -> None:
    missed = MissedEvents()
    part = found(3, 9)
    list(missed.frames([part], 5))
    kept = missed.finder(5)(EventRange(7, 3, 9))
    assert isinstance(kept, EncodedRange)
    assert (kept.count, kept.size, kept.head) == (6, 1, 9)
