"""Rows of media: quotas, repetitions, and what a sweep may take."""

from typing import Any

import attrs
import pytest

from chatsrv_storage.engine.migrate import load_migrations
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import Accepted, Command, GroupTransaction
from chatsrv_storage.messages import media, own_media
from chatsrv_storage.messages.edits import recall, say
from chatsrv_storage.messages.media import Medium, StoredUpload
from chatsrv_storage.messages.paused_uploads import give_way, note_arriving

NOW = 1_790_000_000_000
DAY = 24 * 3600 * 1000
GROUP = 77


@pytest.fixture
def conn(empty: Any) -> Any:
    for user_id, name in ((1, "ann"), (2, "bob"), (3, "eve")):
        empty.execute(
            "insert into person (id, name, name_key, password_hash, created_at) values (?, ?, ?, 'x', 0)",
            (user_id, name, name),
        )
    run(empty, 1, lifecycle.make("g", [2], history=True, max_members=10))
    return empty


def run(conn: Any, user_id: int, script: Any, now_ms: int = NOW) -> Any:
    conn.execute("begin")
    (outcome,) = GroupTransaction(conn, GROUP, now_ms, Snowflake(0, now_ms)).run(
        [Command(Actor(user_id, "x"), None, script)]
    )
    conn.execute("commit")
    if isinstance(outcome, Refusal):
        raise outcome
    assert isinstance(outcome, Accepted)
    return outcome.reply


def upload(number: int, size: int = 100, key: str | None = None, user_id: int = 1) -> StoredUpload:
    return StoredUpload(f"{number:032x}", user_id, key, f"store{number}", size, "", "name", NOW + DAY)


def medium(number: int, size: int = 100, sha256: str = "a" * 64, user_id: int = 1, kind: str = "file") -> Medium:
    return Medium(number, user_id, sha256, size, kind, "application/octet-stream", "name", {}, NOW)


def add(conn: Any, number: int, quota: int = 10_000, **more: Any) -> Medium:
    made = medium(number, **more)
    return media.add(conn, made, b"webp", upload(number, made.size, user_id=made.uploader_id), quota, NOW)


def test_room_is_kept_for_what_is_announced(conn: Any) -> None:
    media.begin_upload(conn, upload(1, 600), 1000, 10, NOW)
    with pytest.raises(Refusal, match="no room"):
        media.begin_upload(conn, upload(2, 600), 1000, 10, NOW)
    with pytest.raises(Refusal, match="no room"):
        add(conn, 3, quota=1000, size=500)
    media.begin_upload(conn, upload(4, 600, user_id=2), 1000, 10, NOW)
    stored = media.add(conn, medium(5, 600), None, upload(1, 600), 1000, NOW)
    assert media.used_bytes(conn, 1, NOW) == 600
    assert media.add(conn, medium(6, 600), None, upload(1, 600), 1000, NOW) == stored, "a repetition that overtook it"
    assert media.used_bytes(conn, 1, NOW) == 600


def test_the_same_bytes_of_the_same_user_count_once(conn: Any) -> None:
    add(conn, 1, quota=1000, size=600)
    add(conn, 2, quota=1000, size=600)
    assert media.used_bytes(conn, 1, NOW) == 600
    with pytest.raises(Refusal, match="no room"):
        add(conn, 3, quota=1000, size=600, sha256="b" * 64)
    add(conn, 4, quota=1000, size=600, user_id=2)
    assert media.used_bytes(conn, 2, NOW) == 600, "another user's count for themselves"


def test_an_avatar_is_of_ones_own_uploads_and_a_copy_if_it_was_sent(conn: Any) -> None:
    add(conn, 1, kind="image")
    add(conn, 2, kind="image", user_id=2, sha256="b" * 64)
    add(conn, 3, sha256="c" * 64)
    run(conn, 2, say("", 0, (), mention_all=False, media_id=2))
    with pytest.raises(Refusal, match="you uploaded yourself"):
        media.own_picture(conn, 1, 2, 50, NOW)
    with pytest.raises(Refusal, match="has to be a picture"):
        media.own_picture(conn, 1, 3, 50, NOW)
    assert media.own_picture(conn, 1, 0, 50, NOW) == 0
    assert media.own_picture(conn, 1, 1, 50, NOW) == 1, "it stands in no message"
    used = media.used_bytes(conn, 2, NOW)
    assert media.own_picture(conn, 2, 2, 50, NOW) == 50
    assert attrs.evolve(media.by_id(conn, 2), id=50) == media.by_id(conn, 50)
    assert media.used_bytes(conn, 2, NOW) == used


@pytest.mark.sqlite_alone
def test_a_migration_takes_avatars_of_others_uploads_away(conn: Any) -> None:
    add(conn, 1, kind="image")
    add(conn, 2, kind="image", user_id=2, sha256="b" * 64)
    run(conn, 1, media.set_avatar(1, 50))
    conn.execute("update person set avatar = id")
    conn.execute("update person set avatar = 2 where id = 3")
    (migration,) = [each for each in load_migrations() if "own_avatars" in each.name]
    for statement in migration.statements():
        conn.execute(statement)
    assert conn.execute("select avatar from person order by id").fetchall() == [(1,), (2,), (0,)]
    assert conn.execute("select avatar from chat_group").fetchall() == [(1,)]
    conn.execute("update media set uploader_id = 2 where id = 1")
    for statement in migration.statements():
        conn.execute(statement)
    assert conn.execute("select avatar from chat_group").fetchall() == [(0,)]


def test_what_is_deleted_makes_room_once_its_bytes_may_go(conn: Any) -> None:
    """Else uploads and deletions in turn would fill the disk, since the bytes of a day stay."""
    add(conn, 1, size=600, quota=1000)
    run(conn, 1, say("", 0, (), mention_all=False, media_id=1))
    own_media.delete(conn, 1, 1, NOW)
    assert media.used_bytes(conn, 1, NOW) == 600
    with pytest.raises(Refusal, match="no room"):
        add(conn, 2, size=600, quota=1000, sha256="b" * 64)
    later = NOW + DAY + 1
    assert media.used_bytes(conn, 1, later) == 0
    assert media.still_used(conn, ["a" * 64]) == [], "the store may drop the bytes"
    assert media.unused(conn, later) == [], "a message refers to it"
    run(conn, 1, recall(2, 10**9))
    assert media.unused(conn, later) == [1]


def test_equal_bytes_of_somebody_else_stay(conn: Any) -> None:
    add(conn, 1)
    add(conn, 2, user_id=2)
    own_media.delete(conn, 1, 1, NOW)
    assert media.thumbnail(conn, "a" * 64) == b"webp"
    assert media.still_used(conn, ["a" * 64]) == ["a" * 64]
    assert media.readable(conn, 2, 2).id == 2


def test_an_upload_by_the_same_key_is_a_new_one_after_its_deletion(conn: Any) -> None:
    first = media.begin_upload(conn, upload(1, key="k"), 1000, 9, NOW)
    media.add(conn, medium(1), None, first, 1000, NOW)
    own_media.delete(conn, 1, 1, NOW)
    assert media.upload_by_key(conn, 1, "k") is None
    assert media.begin_upload(conn, upload(2, key="k"), 1000, 9, NOW).id == upload(2).id


def test_pages_of_own_uploads_by_size(conn: Any) -> None:
    for number in range(1, 8):
        add(conn, number, size=100 * (number % 3 + 1), sha256=f"{number:064x}")
    add(conn, 8, user_id=2, size=900)
    own_media.delete(conn, 1, 7, NOW)
    seen: list[tuple[int, int]] = []
    before = None
    while True:
        found = own_media.usage(conn, 1, NOW, before, 2)
        seen += [(each.size, each.id) for each in found.page]
        if not found.more:
            break
        before = seen[-1]
    assert seen == [(300, 5), (300, 2), (200, 4), (200, 1), (100, 6), (100, 3)]
    assert (found.stored, found.announced) == (1200 + 200, 0), "and what was deleted within the day"


def test_unfinished_uploads_are_few(conn: Any) -> None:
    for number in range(3):
        media.begin_upload(conn, upload(number), 10_000, 3, NOW)
    with pytest.raises(Refusal, match="unfinished"):
        media.begin_upload(conn, upload(9), 10_000, 3, NOW)
    media.drop_upload(conn, upload(0).id)
    media.begin_upload(conn, upload(9), 10_000, 3, NOW)


def paused(number: int, minutes: float, size: int = 100, key: str | None = None) -> StoredUpload:
    return attrs.evolve(upload(number, size, key), expires_at=NOW + DAY - int(minutes * 60_000))


def test_what_paused_longest_gives_way(conn: Any) -> None:
    for number, minutes in ((1, 5), (2, 9), (3, 0.5), (4, 7)):
        media.begin_upload(conn, paused(number, minutes, key=f"k{number}"), 10_000, 9, NOW)
    other = upload(10, user_id=2)
    assert give_way(conn, upload(9), 500, 5, NOW, ()) == [], "there is room"
    assert give_way(conn, other, 10, 0, NOW, ()) == [], "nobody else's"
    assert give_way(conn, paused(8, 0, key="k2"), 500, 4, NOW, ()) == [], "that is begun already"
    assert [gone.store_id for gone in give_way(conn, upload(9), 500, 4, NOW, ())] == ["store2"]
    media.begin_upload(conn, upload(9), 500, 4, NOW)
    with pytest.raises(Refusal, match="no such upload"):
        media.upload_of(conn, 1, upload(2).id, NOW)
    media.drop_upload(conn, upload(9).id)
    ended = give_way(conn, upload(9, 250), 500, 9, NOW, (upload(4).id,))
    assert [gone.store_id for gone in ended] == ["store1"], "bytes of 4 arrive, and 3 had some just now"
    with pytest.raises(Refusal, match="room"):
        media.begin_upload(conn, upload(9, 350), 500, 9, NOW)
    again = media.begin_upload(conn, paused(7, 0, 50, key="k2"), 500, 9, NOW)
    assert again.id == upload(7).id, "the key of what gave way is free"
    assert sorted(media.drop_expired(conn, NOW + 1)) == ["store1", "store2"], (
        "for the case that nobody discards the bytes"
    )


def test_what_gets_bytes_does_not_give_way(conn: Any) -> None:
    for number, user_id in ((1, 1), (2, 1), (3, 2)):
        media.begin_upload(conn, attrs.evolve(paused(number, 9), user_id=user_id), 10_000, 9, NOW)
    assert note_arriving(conn, {upload(1).id: 1, upload(3).id: 2}, NOW) == [upload(1).id, upload(3).id]
    assert [gone.id for gone in give_way(conn, upload(9), 500, 1, NOW, ())] == [upload(2).id]
    assert note_arriving(conn, {upload(2).id: 1}, NOW) == [], "what ended does not come back"
    media.add(conn, medium(1), None, upload(1), 1000, NOW)
    assert note_arriving(conn, {upload(1).id: 1, upload(8).id: 1}, NOW) == []


def test_a_key_is_free_once_its_upload_is_past_its_time(conn: Any) -> None:
    media.begin_upload(conn, upload(1, key="k"), 1000, 9, NOW)
    assert media.begin_upload(conn, upload(2, 5, key="k"), 1000, 9, NOW + DAY).id == upload(2).id


def test_a_key_is_for_one_upload(conn: Any) -> None:
    first = media.begin_upload(conn, upload(1, key="k"), 1000, 9, NOW)
    assert media.begin_upload(conn, upload(2, key="k"), 1000, 9, NOW) == first
    with pytest.raises(Refusal, match="another upload"):
        media.begin_upload(conn, upload(3, 5, key="k"), 1000, 9, NOW)
    with pytest.raises(Refusal, match="another upload"):
        media.add(conn, medium(4), None, attrs.evolve(upload(4, key="k"), store_id=""), 1000, NOW)
    assert media.begin_upload(conn, upload(5, key="k", user_id=2), 1000, 9, NOW).id == upload(5).id
    with pytest.raises(Refusal, match="no such upload"):
        media.upload_of(conn, 2, first.id, NOW)


def test_the_sweep_takes_what_stands_nowhere(conn: Any) -> None:
    for number in range(1, 6):
        add(conn, number, sha256=str(number) * 64)
    conn.execute("update media set kind = 'image' where id in (3, 4)")
    seq = run(conn, 1, say("", 0, (), mention_all=False, media_id=1))[1]
    conn.execute("update person set avatar = 3 where id = 2")
    run(conn, 1, media.set_avatar(4, 40))
    assert media.unused(conn, NOW + DAY - 1) == []
    assert media.unused(conn, NOW + DAY + 1) == [2, 5]
    run(conn, 1, say("", 0, (), mention_all=False, media_id=5))
    assert media.remove_unused(conn, [1, 2, 3, 4, 5]) == 1, "what was sent since is looked at again"
    assert sorted(media.still_used(conn, [str(number) * 64 for number in range(9)])) == [
        str(number) * 64 for number in (1, 3, 4, 5)
    ]
    assert media.thumbnail(conn, "2" * 64) is None
    assert list(media.check(conn)) == []
    run(conn, 1, recall(seq, 10**9))
    assert media.unused(conn, NOW + DAY + 1) == [1]
    assert list(media.check(conn)) == []
    with pytest.raises(Refusal, match="no such medium"):
        run(conn, 1, say("", 0, (), mention_all=False, media_id=2))


def test_uploads_past_their_time(conn: Any) -> None:
    media.begin_upload(conn, upload(1), 10_000, 9, NOW)
    add(conn, 2)
    assert media.drop_expired(conn, NOW + DAY - 1) == []
    assert media.drop_expired(conn, NOW + DAY + 1) == ["store1"]
    assert media.upload_of(conn, 1, upload(2).id, NOW).media_id == 2, "kept for a repetition"
    assert media.drop_expired(conn, NOW + 8 * DAY) == []
    with pytest.raises(Refusal):
        media.upload_of(conn, 1, upload(2).id, NOW)


def test_check_finds_what_is_lost(conn: Any) -> None:
    add(conn, 1)
    run(conn, 1, say("", 0, (), mention_all=False, media_id=1))
    conn.execute("delete from media_use")
    assert list(media.check(conn)) == [f"group {GROUP}: message 2 has lost its medium"]


@pytest.mark.sqlite_alone
def test_reading_rights_do_not_scan(conn: Any) -> None:
    """Driven by the reader's groups and by indexes: a medium that stands in many places costs no more."""
    plan = conn.execute(
        f"explain query plan select d.id from media d where d.id = :id and ({media._MAY_READ})", {"id": 1, "user": 1}
    ).fetchall()
    assert not [row[3] for row in plan if row[3].startswith("SCAN")], plan
