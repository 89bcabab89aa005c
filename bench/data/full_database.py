"""A database filled up to the bounds of docs/limits.md by plain SQL: one crowded group, and somebody in very many others."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import attrs

from chatsrv.commands.sync import SHORT_CATCH_UP_EVENTS, SHORT_LIST_GROUPS
from chatsrv_storage.engine.connection import configure_writer, connect
from chatsrv_storage.engine.migrate import load_migrations, migrate
from chatsrv_storage.groups.group_summary import MENTION_ROWS
from chatsrv_storage.groups.models import message_checksum

ME: Final = 1
FIRST: Final = 10
"""The first of the other people."""
GROUP: Final = 1_000
"""The crowded group, whose owner ME is."""
MANY: Final = 10_000
"""The first of the many groups of ME."""
ELSEWHERE: Final = 100_000
"""The first of the groups of people who share none with ME."""
PACKET: Final = 77
NOW: Final = 1_790_000_000_000
VERSIONS: Final = 200
LONG: Final = "今天大家好吗" * 900  # 16,200 bytes
SHORT: Final = 5_000
"""The first of the few groups of READER, where each message has all that is looked up for it."""
READER: Final = 2
MESSAGE: Final = 2
"""The message with everything: versions, reactions, readers."""


@attrs.frozen
class Sizes:
    """How much of what there is; the defaults are the bounds."""

    members: int = 500
    groups: int = 2_000
    messages: int = 400
    transfers: int = 100_000
    media: int = 20_000
    waiting: int = 1_000
    strangers: int = 200


def name_of(user_id: int) -> str:
    """Return a name of 32 characters."""
    return f"person{user_id:026}"


def fill(folder: Path, sizes: Sizes) -> None:
    """Make a data folder with this database."""
    folder.mkdir(mode=0o700)
    path = folder / "chat.sqlite3"
    path.touch(mode=0o600)
    conn = connect(path)
    configure_writer(conn, "OFF")
    migrate(conn, load_migrations(), path)
    conn.execute("begin")
    people = [ME, *range(FIRST, FIRST + sizes.members - 1)]
    outside = range(FIRST + sizes.members, FIRST + sizes.members + sizes.waiting)
    strangers = range(outside.stop, outside.stop + sizes.strangers)
    conn.executemany(
        "insert into person (id, name, name_key, password_hash, operator, created_at, group_count) values (?, ?, ?, '', ?, 0, ?)",
        [
            (each, name_of(each), name_of(each), int(each == ME), sizes.groups)
            for each in (*people, *outside, *strangers)
        ],
    )
    conn.executemany(
        "insert into session values (?, ?, ?, 'device', 0, 0)",
        [
            (
                n,
                ME,
                _digest(n),
            )
            for n in range(1, 101)
        ],
    )
    for group_id in (GROUP, *range(MANY, MANY + sizes.groups - 1)):
        crowd = people if group_id == GROUP else [ME, *people[1:11]]
        messages = sizes.messages if group_id == GROUP else 3
        _add_group(conn, group_id, crowd, messages)
    _fill_group(conn, people, list(outside), sizes)
    _fill_wallet(conn, people, sizes)
    _fill_elsewhere(conn, strangers, sizes)
    _fill_short(conn)
    conn.execute("commit")
    conn.execute("pragma wal_checkpoint(truncate)").fetchall()
    conn.close()


def _digest(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def _add_group(conn: Any, group_id: int, people: list[int], messages: int) -> None:
    head = messages + 1
    conn.execute(
        "insert into chat_group (id, name, created_by, created_at, seq, ordinal, members, max_members, history, last_seq)"
        " values (?, ?, ?, ?, ?, ?, ?, 500, 1, ?)",
        (group_id, f"group {group_id}", ME, NOW, head, messages, len(people), head),
    )
    conn.executemany(
        "insert into group_member (group_id, user_id, role, joined_at, visible_from, read_seq, read_ordinal, version,"
        " added_by, nickname) values (?, ?, ?, ?, 0, ?, ?, 1, ?, ?)",
        [
            (
                group_id,
                each,
                3 if each == ME and group_id == GROUP else 1,
                NOW,
                1 if each == ME else head,
                0,
                FIRST,
                "n" * 64,
            )
            for each in people
        ],
    )
    conn.executemany(
        "insert into message values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_message(group_id, seq, ME if seq == MESSAGE else people[seq % len(people)]) for seq in range(1, head + 1)],
    )
    conn.executemany(
        "insert into mention (user_id, group_id, seq, sender_id) values (0, ?, ?, ?)",
        [(group_id, seq, people[-1]) for seq in range(2, head + 1)],
    )


def _message(group_id: int, seq: int, sender: int) -> tuple[Any, ...]:
    message_id, kind, text, data = group_id * 1_000 + seq, "text", LONG if group_id == GROUP else "hello there", None
    if seq == 1:
        kind, text, data = "created", "group", '{"members":[]}'
    checksum = message_checksum(group_id, seq, message_id, sender, kind, text, data, NOW)
    return (group_id, seq, message_id, seq - 1, sender, NOW, kind, text, data, checksum)


def _fill_group(conn: Any, people: list[int], outside: list[int], sizes: Sizes) -> None:
    conn.executemany(
        "insert into message_edit values (?, ?, ?, ?, ?, 0)",
        [(GROUP, MESSAGE, 10_000 + number, NOW, LONG) for number in range(VERSIONS)],
    )
    conn.executemany(
        "insert into reaction values (?, ?, ?, ?, ?)",
        [
            (GROUP, MESSAGE, each, emoji, 20_000 + n * 8 + k)
            for n, each in enumerate(people)
            for k, emoji in enumerate("👍👎😀😁😂🤣😃😄")
        ],
    )
    conn.executemany(
        "insert into pin values (?, ?, ?, ?)",
        [(GROUP, seq, ME, 30_000 + seq) for seq in range(2, min(52, sizes.messages))],
    )
    conn.executemany(
        "insert into invite values (?, ?, ?, ?, ?, 0, 0)",
        [(f"{number:024}", GROUP, ME, NOW, 2**53 - 1) for number in range(100)],
    )
    conn.executemany(
        "insert into join_request (group_id, user_id, note, made_at) values (?, ?, ?, ?)",
        [(GROUP, each, "请让我进来" * 10, NOW) for each in outside],
    )
    conn.executemany("insert into ban values (?, ?, ?, ?)", [(GROUP, each, 2**53 - 1, ME) for each in outside])
    conn.executemany("insert into block values (?, ?)", [(ME, each) for each in outside[:199]])
    conn.executemany(
        "insert into invitation (user_id, group_id, invited_by, made_at) values (?, ?, ?, ?)",
        [(ME, MANY + number, FIRST, 2**52) for number in range(min(100, sizes.groups - 1))],
    )
    conn.executemany(
        "insert into media (id, uploader_id, sha256, size, kind, mime, name, facts, created_at)"
        " values (?, ?, ?, 9, 'file', 'text/plain', ?, '{}', ?)",
        [(50_000 + number, ME, f"{number:064}", "n" * 200, NOW) for number in range(sizes.media)],
    )
    conn.executemany(
        "insert into media_use values (?, ?, ?)",
        [(50_000 + number, GROUP, 2 + number % sizes.messages) for number in range(sizes.media)],
    )


def _fill_wallet(conn: Any, people: list[int], sizes: Sizes) -> None:
    conn.executemany(
        "insert into account (kind, id, balance) values (?, ?, ?)",
        [("issuer", 0, -sizes.transfers), ("wallet", ME, sizes.transfers)],
    )
    conn.executemany(
        "insert into transfer values (?, 'grant', 'issuer', 0, 'wallet', ?, 1, ?, 0)",
        [(number, ME, NOW) for number in range(1, sizes.transfers + 1)],
    )
    n = sizes.members
    conn.execute(
        "insert into redpack values (?, ?, ?, ?, 'hello', ?, ?, 'lucky', null, ?, ?, ?, x'', ?, ?, 'exhausted', ?, 0, 0, 0)",
        (PACKET, GROUP, MESSAGE, ME, n, n, bytes(32), bytes(32), bytes(32), NOW, NOW + 1, n),
    )
    conn.executemany(
        "insert into redpack_record values (?, ?, ?, 1, ?, ?)",
        [(PACKET, each, number, NOW, number + 1) for number, each in enumerate(people)],
    )


def _fill_elsewhere(conn: Any, strangers: range, sizes: Sizes) -> None:
    """Insert people who share no group with ME and are in as many as possible, and mentions by somebody whom ME blocks."""
    for group_id in range(ELSEWHERE, ELSEWHERE + sizes.groups):
        _add_group(conn, group_id, [*strangers], 0)
    conn.execute("insert into block values (?, ?)", (ME, strangers[0]))
    conn.executemany(
        "insert into mention (user_id, group_id, seq, sender_id) values (0, ?, ?, ?)",
        [
            (group_id, seq, strangers[0])
            for group_id in range(MANY, MANY + min(200, sizes.groups - 1))
            for seq in range(100, 100 + MENTION_ROWS)
        ],
    )


def _fill_short(conn: Any) -> None:
    """Insert somebody whose every message quotes, calls everybody and shows a medium: three rows to look up for each."""
    conn.execute(
        "insert into person (id, name, name_key, password_hash, operator, created_at, group_count) values (?, ?, ?, '', 0, 0, ?)",
        (READER, name_of(READER), name_of(READER), SHORT_LIST_GROUPS),
    )
    each = -(-SHORT_CATCH_UP_EVENTS // SHORT_LIST_GROUPS)
    for group_id in range(SHORT, SHORT + SHORT_LIST_GROUPS):
        _add_group(conn, group_id, [READER], each)
        for seq in range(2, each + 2):
            medium = 80_000 + group_id * 10 + seq
            conn.execute(
                "insert into media (id, uploader_id, sha256, size, kind, mime, name, facts, created_at)"
                " values (?, ?, ?, 9, 'file', 'text/plain', 'n', '{}', ?)",
                (medium, READER, f"{medium:064}", NOW),
            )
            extra = json.dumps({"reply": 1, "all": True, "media": {"id": medium}})
            conn.execute(
                "update message set text = ?, data = ? where group_id = ? and seq = ?",
                ("你好" * 500, extra, group_id, seq),
            )
