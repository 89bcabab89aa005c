"""How far one has read in a chat: of each group that was on the screen, the last moment too."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

import attrs
import pytest
import trio
import trio.testing

from chatsrv.cli.chat.reports import ReadReport
from chatsrv.cli.chat.room import Room
from chatsrv.client import Client, ClientError


@attrs.define
class Marks:
    """Takes what a client marks as read, as (group, place)."""

    told: list[tuple[int, int]] = attrs.field(factory=list[tuple[int, int]])
    refused: int = 0
    """The group whose marks are refused."""
    group_id: int = 0

    def group(self, group_id: int) -> "Marks":
        return attrs.evolve(self, group_id=group_id)

    async def mark_read(self, seq: int) -> None:
        await trio.lowlevel.checkpoint()
        if self.group_id == self.refused:
            raise ClientError("you are not in it any more")
        self.told.append((self.group_id, seq))


async def guarded(job: Callable[[], Awaitable[None]]) -> None:
    with suppress(ClientError):
        await job()


def read(report: ReadReport, room: Room, seq: int) -> None:
    room.read_seq = seq
    report.note(room)


@pytest.fixture
def rooms() -> tuple[Room, Room]:
    return Room(1, 10, "park"), Room(1, 20, "quiet")


async def test_a_group_that_was_left_at_once_is_read_and_so_is_the_last_one(
    autojump_clock: object, rooms: tuple[Room, Room]
) -> None:
    park, quiet = rooms
    report, marks = ReadReport(), Marks()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(report.run, cast("Client", marks), guarded)
        read(report, park, 1)
        await trio.testing.wait_all_tasks_blocked()
        assert marks.told == [(10, 1)]
        for seq in (2, 3, 4):
            read(report, park, seq)
        read(report, quiet, 7)
        await trio.testing.wait_all_tasks_blocked()
        assert marks.told == [(10, 1)], "at most every half second"
        await trio.sleep(1)
        assert marks.told == [(10, 1), (10, 4), (20, 7)]
        read(report, quiet, 8)
        read(report, park, 5)
        nursery.cancel_scope.cancel()
    assert marks.told[3:] == [(20, 8), (10, 5)]


async def test_what_is_refused_is_not_tried_again_and_keeps_nobody(
    autojump_clock: object, rooms: tuple[Room, Room]
) -> None:
    park, quiet = rooms
    report, marks = ReadReport(), Marks(refused=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(report.run, cast("Client", marks), guarded)
        read(report, park, 1)
        await trio.sleep(1)
        read(report, quiet, 2)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert marks.told == [(20, 2)]
