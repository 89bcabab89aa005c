"""The check of the sequences finds what was damaged: a flipped body, a gap, a wrong count, a wrong head."""

import attrs
import pytest
from storage.test_storage_search import CountingConnection
from storage.test_storage_transaction import ANN, BOB, GROUP, Desk

from chatsrv_storage.accounts import accounts
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.interface import SqlConnection, Storage
from chatsrv_storage.messages import history


@pytest.fixture
async def desk(storage: Storage) -> Desk:
    made = Desk(storage)

    def people(conn: SqlConnection) -> None:
        for actor in (ANN, BOB):
            accounts.register(conn, actor.user_id, actor.name, "!", 0)

    await storage.write(people)
    await made.run(made.do(ANN, lifecycle.make("home", [BOB.user_id], history=True, max_members=3)))
    await made.run(*(made.post(ANN, f"message {n}") for n in range(5)))
    return made


async def problems(desk: Desk) -> list[str]:
    return await desk.read(lambda conn: list(history.check(conn)))


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("update message set text = 'massage 1' where seq = 3", ["event 3 was changed on the disk"]),
        ("update message set sender_id = 2 where seq = 3", ["event 3 was changed on the disk"]),
        ("delete from message where seq = 3", ["events 3 to 3 are missing", "event 4 counts 3 after 1"]),
        ("delete from message where seq = 6", ["its head is 6 with 5 counted"]),
        ("update chat_group set seq = 9", ["its head is 9"]),
        ("update message set ordinal = 9 where seq = 6", ["event 6 counts 9 after 4", "its head is 6 with 5 counted"]),
        ("update chat_group set members = 9", ["it says it has 9 members, and 2 are stored"]),
    ],
)
async def test_damage_is_found(damage: str, found: list[str], desk: Desk) -> None:
    assert await problems(desk) == []

    def spoil(conn: SqlConnection) -> None:
        conn.execute(damage)

    await desk.storage.write(spoil)
    told = await problems(desk)
    assert len(told) == len(found)
    for sentence, words in zip(told, found, strict=True):
        assert words in sentence


async def test_pages_have_a_bound_in_bytes_and_at_least_one_event(desk: Desk) -> None:
    def look(conn: SqlConnection) -> None:
        for most, count in ((1, 1), (1_000_000, 6)):
            records, more, head = history.page(conn, ANN.user_id, GROUP, 0, 1 << 62, 100, most, newest=False)
            assert (len(records), more, head) == (count, count < 6, 6)
        records, more, _ = history.page(conn, ANN.user_id, GROUP, 0, 1 << 62, 100, 1, newest=True)
        assert ([record.seq for record in records], more) == ([6], True)
        with pytest.raises(Refusal, match="no such group"):
            history.page(conn, 99, GROUP, 0, 1 << 62, 100, 1, newest=False)

    await desk.read(look)


@attrs.frozen
class KeptEvents:
    """What a caller kept of a range."""

    count: int
    size: int


def caught_up(
    conn: SqlConnection, ranges: list[tuple[int, int]], limit: int, max_bytes: int
) -> tuple[list[int], list[history.GroupProgress]]:
    """Return the seqs of the events that ann gets, and how far they bring her."""
    parts, progress = history.catch_up(conn, ANN.user_id, ranges, limit, max_bytes, lambda _: None)
    return [record.seq for part in parts for record in part.records], progress


async def test_catching_up_stops_at_its_bounds_and_says_how_far_it_went(desk: Desk) -> None:
    def look(conn: SqlConnection) -> None:
        seqs, progress = caught_up(conn, [(GROUP, 1), (99, 0), (GROUP, 4)], 7, 1_000_000)
        assert seqs == [2, 3, 4, 5, 6, 5, 6]
        assert progress == [(GROUP, 6, 6), (GROUP, 6, 6)]
        seqs, progress = caught_up(conn, [(GROUP, 0)], 2, 1_000_000)
        assert progress == [(GROUP, 2, 6)]
        seqs, progress = caught_up(conn, [(GROUP, 2), (GROUP, 3)], 100, 1)
        assert seqs == [3]
        assert progress == [(GROUP, 3, 6), (GROUP, 3, 6)]

    await desk.read(look)


async def test_catching_up_does_not_read_again_what_was_kept_and_counts_it_as_if_it_had(desk: Desk) -> None:
    def look(conn: SqlConnection) -> None:
        (found,), _ = history.catch_up(conn, ANN.user_id, [(GROUP, 2)], 9, 1_000_000, lambda _: None)
        assert found.whole == (GROUP, 2, 6)
        kept = KeptEvents(len(found.records), found.size)

        def find(wanted: history.EventRange) -> KeptEvents | None:
            return kept if wanted == found.whole else None

        counting = CountingConnection(conn)
        parts, progress = history.catch_up(counting, ANN.user_id, [(GROUP, 2)], 4, found.size, find)
        assert (parts, progress, counting.statements) == ([kept], [(GROUP, 6, 6)], 1)
        for limit, max_bytes in ((3, found.size), (4, found.size - 1)):  # then it is read, as far as there is room
            (part,), progress = history.catch_up(conn, ANN.user_id, [(GROUP, 2)], limit, max_bytes, find)
            assert isinstance(part, history.FoundRange)
        parts, progress = history.catch_up(conn, ANN.user_id, [(GROUP, 2), (GROUP, 5)], 4, 1_000_000, find)
        assert (parts, progress) == ([kept], [(GROUP, 6, 6), (GROUP, 5, 6)])

    await desk.read(look)


async def test_reads_about_many_take_as_many_statements_as_about_one(desk: Desk) -> None:
    """On PostgreSQL each statement is a round trip: 200 groups took 250 of them."""

    def look(conn: SqlConnection) -> None:
        counting = CountingConnection(conn)
        names = accounts.find(counting, ["Bob", "nobody", "ann", "bob"])
        assert names == [(BOB.user_id, BOB.name), (ANN.user_id, ANN.name), (BOB.user_id, BOB.name)]
        assert accounts.find(counting, []) == []
        assert counting.statements == 2
        counting = CountingConnection(conn)
        _, progress = caught_up(counting, [(GROUP, 6), *((n, 0) for n in range(1_000, 1_200))], 9, 1_000)
        assert progress == [(GROUP, 6, 6)]
        assert caught_up(counting, [], 9, 1_000) == ([], [])
        assert counting.statements == 2

    await desk.read(look)
