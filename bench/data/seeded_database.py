"""A database with many groups and messages, written by plain SQL, for benches of what is read from it."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatsrv_storage.engine.connection import JobConnection, configure_reader, configure_writer, connect
from chatsrv_storage.engine.migrate import load_migrations, migrate
from chatsrv_storage.groups.models import message_checksum

ME = 1
OTHERS = range(2, 12)
FIRST_GROUP = 1_000_000
START_MS = 1_790_000_000_000

CHINESE = "今天明天大家好吃饭了吗我们你们他她它不是有在这那个人们来去上下中国家学校工作开会电影火车周末一起天气很冷热"
ENGLISH = [
    f"{start}{middle}{end}" for start in "bcdfghklmnprst" for middle in ("ar", "on", "ell", "ist") for end in "aeioy"
]
"""280 words that are frequent, as in speech."""


def texts(count: int, seed: int = 7) -> Iterator[str]:
    """Yield short messages, half Chinese and half English; one in 1,000 says 红包, one in 1,000 says 'deadline'."""
    drawn = random.Random(seed)
    for place in range(count):
        if drawn.random() < 0.5:
            text = "".join(drawn.choices(CHINESE, k=drawn.randint(4, 24)))
        else:
            text = " ".join(drawn.choices(ENGLISH, k=drawn.randint(2, 12)))
        if place % 1000 == 500:
            text += "发红包了"
        elif place % 1000 == 700:
            text += " before the deadline"
        yield text


def fill(path: Path, groups: int, messages: int, *, mentions: int = 0) -> None:
    """Make a database with so many groups of ME and others, and so many messages in each; half of them unread."""
    path.touch()
    conn = connect(path)
    configure_writer(conn, "OFF")
    migrate(conn, load_migrations(), path)
    conn.execute("begin")
    conn.executemany(
        "insert into person (id, name, name_key, password_hash, created_at) values (?, ?, ?, '', 0)",
        [(user_id, f"person{user_id}", f"person{user_id}") for user_id in (ME, *OTHERS)],
    )
    conn.executemany("insert into message values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _rows(groups, messages))
    for group_id in range(FIRST_GROUP, FIRST_GROUP + groups):
        head = messages + 1
        conn.execute(
            "insert into chat_group (id, name, created_by, created_at, seq, ordinal, members, max_members, history, last_seq)"
            " values (?, ?, ?, ?, ?, ?, ?, 500, 1, ?)",
            (group_id, f"group {group_id}", ME, START_MS, head, messages, 1 + len(OTHERS), head),
        )
        conn.executemany(
            "insert into group_member (group_id, user_id, role, joined_at, visible_from, read_seq, read_ordinal, version)"
            " values (?, ?, 1, ?, 0, ?, ?, 1)",
            [(group_id, user_id, START_MS, messages // 2 + 1, messages // 2) for user_id in (ME, *OTHERS)],
        )
        conn.executemany(
            "insert into mention (user_id, group_id, seq) values (?, ?, ?)",
            [(0 if place == 0 else ME, group_id, head - place) for place in range(mentions)],
        )
    conn.execute("commit")
    conn.execute("pragma wal_checkpoint(truncate)").fetchall()
    conn.close()


def _rows(groups: int, messages: int) -> Iterator[tuple[Any, ...]]:
    """Yield messages of all groups, with ids that rise with time across groups."""
    said = list(texts(min(groups * messages, 200_000)))
    for group in range(groups):
        group_id = FIRST_GROUP + group
        yield (group_id, 1, group + 1, 0, ME, START_MS, "created", "group", '{"members":[]}', 0)
        for place in range(messages):
            text = said[(group * messages + place) % len(said)]
            sender, seq, message_id = 2 + place % len(OTHERS), place + 2, (place + 1) * groups + group + 1
            yield (
                group_id, seq, message_id, place + 1, sender, START_MS + place, "text", text, None,
                message_checksum(group_id, seq, message_id, sender, "text", text, None, START_MS + place),
            )  # fmt: skip


def open_filled(path: Path) -> JobConnection:
    """Open a reader's connection, as the server does."""
    conn = connect(path, read_only=True)
    configure_reader(conn)
    assert isinstance(conn, sqlite3.Connection)
    return conn
