"""What `check` finds of a database that was changed behind the server's back, column by column, and that it changes nothing."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from support.full_folder import fill_folder

from chatsrv_storage.accounts import audit_log
from chatsrv_storage.all_checks import ALL
from chatsrv_storage.engine.check import check_folder

NOT_COVERED = {
    # What people set for themselves or their groups, and what a restart or a look would set again.
    "person": {
        *("name_key", "version", "nickname", "avatar", "hidden", "who_adds"),
        *("added_day", "added_count", "opened_day", "opened_count", "nickname_at"),
    },
    "session": {"*"},
    "login_address": {"*"},
    "login_attempt": {"*"},
    "push_subscription": {"*"},
    "push_sent": {"*"},
    "media_upload_piece": {"*"},
    "media_claim": {"*"},
    "push_key": {"*"},
    "report": {"*"},
    "chat_group": {
        *("created_by", "created_at", "max_members", "history", "kind", "dissolved_at", "who_invites", "approval"),
        *("mute_all", "slow_mode", "who_pins", "who_mentions_all", "keep_edits", "notice", "notice_by", "notice_at"),
        *("last_seq", "avatar", "last_id"),
    },
    "group_member": {
        *(
            "joined_at",
            "visible_from",
            "left_seq",
            "version",
            "nickname",
            "sent_at",
            "left_name",
            "quiet",
            "read_ordinal",
        ),
        *("delivered_seq", "joined_seq", "read_seq", "added_by", "nickname_at", "own_above"),
    },
    "invitation": {"*"},
    "invite": {"*"},
    "pin": {"*"},
    "reaction": {"*"},
    "mention": {"*"},
    "block": {"*"},
    "random_code": {"*"},
    "search_group": {"*"},
    "search_garbage": {"*"},
    "clock": {"*"},
    "name_look": {"*"},
    "name_look_version": {"*"},
    "clock_reading": {"*"},
    "redpack_prepared": {"*"},
    "payout": {"attempts", "next_try_at"},
    "account": {"last_id"},
}
"""SECURITY.md names these. A cursor is found where it is beyond its group's last event."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped server's folder in which most tables have a row."""
    data = tmp_path_factory.mktemp("tampering") / "data"
    trio.run(fill_folder, data)
    assert check_folder(data, ALL) == []
    return data


def tables(folder: Path) -> Iterator[tuple[str, list[str], bool]]:
    """(table, its columns, whether it has a row), the index's own tables excepted."""
    conn = sqlite3.connect(folder / "chat.sqlite3")
    rows = conn.execute("select name from sqlite_schema where type = 'table' order by name").fetchall()
    for (table,) in rows:
        if table.startswith(("sqlite_", "search_")) and table not in ("search_group", "search_garbage"):
            continue
        if table == "search":
            continue
        columns = [row[1] for row in conn.execute(f"pragma table_info({table})")]
        yield table, columns, conn.execute(f"select 1 from {table}").fetchone() is not None
    conn.close()


def changed(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return bytes([value[0] ^ 1]) + value[1:] if value else b"x"


def tamper(folder: Path, statements: list[str]) -> None:
    """Run statements, the triggers taken away and put back."""
    conn = sqlite3.connect(folder / "chat.sqlite3", isolation_level=None)
    conn.execute("pragma foreign_keys = off")
    conn.execute("pragma ignore_check_constraints = on")
    triggers = conn.execute("select name, sql from sqlite_schema where type = 'trigger'").fetchall()
    for name, _ in triggers:
        conn.execute(f"drop trigger {name}")
    for statement in statements:
        conn.execute(statement)
    for _, sql in triggers:
        conn.execute(sql)
    conn.close()


def copy_of(original: Path, tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(original, tmp_path / "copy", ignore=lambda _, names: [n for n in names if ".sock" in n])
    )


def test_every_column_is_covered_or_named_as_not_covered(original: Path, tmp_path: Path) -> None:
    wrong: list[str] = []
    empty: list[str] = []
    for table, columns, has_row in tables(original):
        if not has_row:
            empty.append(table)
            continue
        for column in columns:
            not_covered = NOT_COVERED.get(table, set())
            if not_covered & {"*", column}:
                continue
            folder = copy_of(original, tmp_path)
            conn = sqlite3.connect(folder / "chat.sqlite3")
            values = [row[0] for row in conn.execute(f"select {column} from {table} order by 1 desc")]
            conn.close()
            value = changed(values[0]) if values[0] is not None else 7
            text = f"x'{value.hex()}'" if isinstance(value, bytes) else repr(value)
            quoted = f"x'{values[0].hex()}'" if isinstance(values[0], bytes) else repr(values[0])
            where = f"{column} = {quoted}" if values[0] is not None else f"{column} is null"
            limit = f"(select min({columns[0]}) from {table} where {where})"
            tamper(folder, [f"update {table} set {column} = {text} where {where} and {columns[0]} = {limit}"])
            if not check_folder(folder, ALL):
                wrong.append(f"{table}.{column}")
            shutil.rmtree(folder)
    assert wrong == []
    assert set(empty) <= {
        "ban",
        "join_request",
        "direct",
        "pin",
        "media",
        "random_code",
        "clock_reading",
        *NOT_COVERED,
    } | {table for table in empty if table.startswith("media")}


DEEDS = {
    "a dropped trigger": (["drop trigger audit_stays"], "schema: the trigger audit_stays is missing"),
    "a trigger that does nothing": (
        ["drop trigger transfer_stays", "create trigger transfer_stays before delete on transfer begin select 1; end"],
        "schema: the trigger transfer_stays is not what the migrations make",
    ),
    "a dropped index": (["drop index session_of_user"], "schema: the index session_of_user is missing"),
    "a table of somebody's": (["create table extra (a)"], "schema: there is a table extra, which no migration makes"),
    "a new operator": (["update person set operator = 1 where name = 'bob'"], "account 'bob': its row says operator"),
    "one operator less": (["update person set operator = 0 where name = 'ann'"], "'ann': the audit log says operator"),
    "somebody let in again": (["update person set disabled = 0 where name = 'dora'"], "'dora': the audit log says disabled"),
    "somebody kept out": (["update person set disabled = 1 where name = 'bob'"], "'bob': its row says disabled"),
    "a password": (["update person set password_hash = 'x' where name = 'bob'"], "its checksum is wrong"),
    "a checksum taken away": (["update person set checksum = null where name = 'bob'"], "its checksum is wrong"),
    "two owners": (["update group_member set role = 3 where role = 2"], "it has 2 owners"),
    "no owner": (["update group_member set role = 1 where role = 3"], "it has 0 owners"),
    "a member who never came": (
        ["insert into group_member (group_id, user_id, role, joined_at, visible_from, read_seq, read_ordinal, version)"
         " select group_id, 77, 2, 0, 0, 0, 0, 0 from group_member limit 1"],
        "member 77 has the role 2",
    ),
    "a cursor": (["update group_member set read_seq = 1000"], "is beyond the group's last event"),
    "a cursor of unread": (["update group_member set read_ordinal = 1000"], "counts more than there is"),
    "a time": (["update message set sent_at = sent_at - 1 where kind = 'text'"], "its checksum is wrong"),
    "a result": (["update idempotency set result = '[]'"], "idempotency"),
    "an earlier text": (["update message_edit set text = 'x'"], "message_edit"),
    "the end of the audit log": (["delete from audit where id = (select max(id) from audit)"], "'dora': its row says disabled"),
}  # fmt: skip


@pytest.mark.parametrize("deed", DEEDS)
def test_a_deed_is_named(deed: str, original: Path, tmp_path: Path) -> None:
    folder = copy_of(original, tmp_path)
    statements, sentence = DEEDS[deed]
    conn = sqlite3.connect(folder / "chat.sqlite3", isolation_level=None)
    conn.execute("pragma foreign_keys = off")
    if any("audit where" in statement for statement in statements):
        conn.close()
        tamper(folder, statements)
    else:
        for statement in statements:
            conn.execute(statement)
        conn.close()
    problems = check_folder(folder, ALL)
    assert any(sentence in problem for problem in problems), problems


def test_a_log_that_was_cut_is_found_by_a_head_from_outside(original: Path, tmp_path: Path) -> None:
    folder = copy_of(original, tmp_path)
    conn = sqlite3.connect(folder / "chat.sqlite3")
    row, head = audit_log.head(conn)
    conn.close()
    assert check_folder(folder, [audit_log.check, audit_log.expect_head(head)]) == []
    tamper(folder, ["delete from audit where action = 'user_disable'", "update person set disabled = 0"])
    assert check_folder(folder, [audit_log.check]) == [], "a shorter chain is a chain"
    (problem,) = check_folder(folder, [audit_log.check, audit_log.expect_head(head)])
    assert problem == f"audit: no row has the hash {head}: the log was cut or written anew"
    assert row > 1
    assert check_folder(folder, [audit_log.expect_head("no hash")])


def state_of(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        path.name: (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes())
        for path in [folder, *folder.iterdir()]
        if path.is_file()
    } | {"": (folder.stat().st_mtime_ns, folder.stat().st_mode, b"")}


@pytest.mark.parametrize("killed", [False, True])
def test_a_check_changes_nothing_at_all(killed: bool, original: Path, tmp_path: Path) -> None:
    folder = copy_of(original, tmp_path)
    (folder / "lock").unlink()
    if killed:  # what a killed server leaves: the last commits are in the WAL alone
        source = sqlite3.connect(folder / "chat.sqlite3", isolation_level=None)
        source.execute("pragma wal_autocheckpoint = 0")
        source.execute("update person set disabled = 1 where name = 'bob'")
        folder = Path(shutil.copytree(folder, tmp_path / "killed"))
        source.close()
        assert (folder / "chat.sqlite3-wal").stat().st_size > 0
    folder.chmod(0o500)
    for path in folder.iterdir():
        path.chmod(0o400 if path.is_file() else 0o500)
    before = state_of(folder)
    problems = check_folder(folder, ALL)
    assert state_of(folder) == before
    assert (problems != []) is killed, "what is in the WAL alone is read"
    assert not (folder / "lock").exists()
    folder.chmod(0o700)


def test_a_check_of_a_folder_that_is_none_of_ours_leaves_it_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    with pytest.raises(Exception, match="There are no data of a server in"):
        check_folder(tmp_path / "letters", ALL)
    assert list((tmp_path / "letters").iterdir()) == []


def test_a_backup_is_checked_as_the_file_it_is(original: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.sqlite3"
    conn = sqlite3.connect(original / "chat.sqlite3")
    conn.execute("vacuum into ?", (str(file),))
    conn.close()
    assert check_folder(file, ALL) == []
    assert list(tmp_path.iterdir()) == [file]
