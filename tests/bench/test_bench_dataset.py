"""A town is what was asked for: its people, its groups, and in each exactly so many messages."""

import sqlite3
from pathlib import Path

import pytest

from bench.data import dataset
from bench.data.dataset import Town, apart, build, overlapping


def counts(folder: Path) -> dict[int, tuple[int, int, int]]:
    """Of each group: (messages, the head's number, distinct senders)."""
    conn = sqlite3.connect(folder / "chat.sqlite3")
    rows = conn.execute(
        "select g.id, count(*), g.ordinal, count(distinct m.sender_id) from chat_group g"
        " join message m on m.group_id = g.id and m.kind = 'text' group by g.id"
    ).fetchall()
    conn.close()
    return {group_id: (count, head, senders) for group_id, count, head, senders in rows}


@pytest.mark.parametrize("missed", [1, 7, dataset.CHUNK, dataset.CHUNK + 3])
def test_each_group_has_exactly_its_messages_though_no_time_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missed: int
) -> None:
    monkeypatch.setattr(dataset.time, "time_ns", lambda: 1_790_000_000_000_000_000)
    built = build(tmp_path, 20, overlapping(20, 3, 5), missed=missed)
    found = counts(tmp_path)
    assert found.keys() == {group.group_id for group in built.groups}
    assert set(found.values()) == {(missed, missed, min(5, missed))}


def test_a_town_reads_back_what_it_dumped(tmp_path: Path) -> None:
    built = build(tmp_path, 6, apart(2, 3))
    assert Town.load(built.dump()) == built
    assert len({person.token for person in built.people}) == 6
    assert len(built.only(1).groups) == 1
