"""What somebody left behind makes no read dearer: groups they are no longer in, calls that do not count.

Measured in steps of SQLite's virtual machine, which repeat themselves. Whoever makes and leaves groups all day has a
million rows of groups they are in no more, and their login is read in the event loop's thread.
"""

import sqlite3
from collections.abc import Callable, Generator
from typing import Any

import pytest

from chatsrv_storage.accounts import profiles, sessions
from chatsrv_storage.engine.migrate import load_migrations
from chatsrv_storage.groups import consent, group_list, group_summary, lifecycle
from chatsrv_storage.messages import media

ME, OTHER = 1, 2
PAST = 20_000
FIRST_PAST = 1_000
NOW = 1_790_000_000_000


@pytest.fixture
def conn() -> Generator[Any]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for migration in load_migrations():
        for statement in migration.statements():
            connection.execute(statement)
    connection.executemany(
        "insert into person (id, name, name_key, password_hash, version, created_at) values (?, ?, ?, '', ?, 0)",
        [(ME, "me", "me", PAST + 5), (OTHER, "other", "other", 1), (3, "third", "third", 1)],
    )
    connection.execute("insert into session values (7, 1, x'00', '', 0, 0)")
    for group_id in range(1, 6):
        _group(connection, group_id, (ME, OTHER, 3))
    yield connection
    connection.close()


def _group(conn: Any, group_id: int, members: tuple[int, ...], role: int = 1, version: int = 0) -> None:
    conn.execute(
        "insert into chat_group (id, name, created_by, created_at, seq, ordinal, members, max_members, history, last_seq)"
        " values (?, 'g', 1, 0, 1, 0, 3, 500, 1, 0)",
        (group_id,),
    )
    conn.executemany(
        "insert into group_member (group_id, user_id, role, joined_at, visible_from, left_seq, left_name, read_seq,"
        " read_ordinal, version, added_by) values (?, ?, ?, 0, 0, 0, '', 0, 0, ?, 3)",
        [(group_id, user_id, role, version) for user_id in members],
    )


def _steps(conn: Any, query: Callable[[], object]) -> int:
    """Tens of steps of the virtual machine that a query takes."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    conn.set_progress_handler(count, 10)
    query()
    conn.set_progress_handler(None, 0)
    return steps


READS: dict[str, Callable[[Any], object]] = {
    "login": lambda conn: lifecycle.memberships(conn, ME, 7),
    "list of groups": lambda conn: group_list.listed(conn, ME, 0, 0, 201),
    "list since a version": lambda conn: group_list.listed(conn, ME, PAST + 4, 0, 201),
    "list since the first version": lambda conn: group_list.listed(conn, ME, 1, 0, 201),
    "who shares a group": lambda conn: profiles.sharing(conn, 3, [ME, OTHER]),
    "profiles": lambda conn: profiles.shown_to(conn, 3, [ME, OTHER]),
    "who may read a medium": lambda conn: media.readable(conn, ME, 9),
    "groups one was put into": lambda conn: consent.added_groups(conn, ME, 0, 101),
    "whether one is known": lambda conn: consent._knows(conn, 3, ME),
    "sessions": lambda conn: sessions.of_user(conn, ME),
}


@pytest.mark.parametrize("name", READS)
def test_groups_one_left_make_no_read_dearer(name: str, conn: Any) -> None:
    conn.execute(
        "insert into media (id, uploader_id, sha256, size, kind, mime, name, facts, created_at)"
        " values (9, 2, 'a', 1, 'file', 'x', 'x', '{}', 0)"
    )
    conn.execute("insert into media_use values (9, 5, 1)")
    before = _steps(conn, lambda: READS[name](conn))
    conn.execute("begin")
    for number in range(PAST):
        _group(conn, FIRST_PAST + number, (ME,), role=0, version=number + 5)
    conn.execute("commit")
    after = _steps(conn, lambda: READS[name](conn))
    assert after < before + 1_000, f"{before} and {after} tens of steps"


def test_a_long_absence_with_many_departures_is_a_new_list(conn: Any) -> None:
    for number in range(group_list.MAX_DEPARTURES + 1):
        _group(conn, FIRST_PAST + number, (ME,), role=0, version=number + 5)
    views, version, is_new = group_list.listed(conn, ME, 5, 0, 201)
    assert ([view.group_id for view in views if not view.role][:2], is_new) == ([FIRST_PAST + 1, FIRST_PAST + 2], False)
    assert len(views) == 201, "a page, by the ids of all"
    assert [view.group_id for view in group_list.listed(conn, ME, 5, views[-1].group_id, 201)[0]] == [
        FIRST_PAST + number for number in range(196 + 1, group_list.MAX_DEPARTURES + 1)
    ]
    views, _, is_new = group_list.listed(conn, ME, 4, 0, 201)
    assert ([view.group_id for view in views], version, is_new) == ([1, 2, 3, 4, 5], PAST + 5, True)


def test_calls_that_do_not_count_cost_no_more_than_some(conn: Any) -> None:
    """By somebody whom one blocks, and one's own: 30,000 calls of everybody in a group one never reads."""
    before = _steps(conn, lambda: group_list.listed(conn, ME, 0, 0, 201))
    conn.execute("insert into block values (?, ?)", (ME, OTHER))
    conn.executemany(
        "insert into mention (user_id, group_id, seq, sender_id) values (0, 1, ?, ?)",
        [(seq, (ME, OTHER)[seq % 2]) for seq in range(1, 30_001)],
    )
    after = _steps(conn, lambda: group_list.listed(conn, ME, 0, 0, 201))
    assert after < before + 3 * group_summary.MENTION_ROWS
    assert group_list.listed(conn, ME, 0, 0, 201)[0][0].mentions == 0
