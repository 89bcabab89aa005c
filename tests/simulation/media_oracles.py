"""What has to hold of media: no message without its bytes, no bytes without their digest, nobody fetches what they may
not see, and a sweep leaves what is needed and nothing else.
"""

import hashlib
import json
from typing import Any, Final

import trio

from chatsrv_storage.interface import SqlConnection
from simulation.devices import Person
from simulation.town import Town, content_of
from simulation.world import World

LATER: Final = 50 * 3600 * 1000
"""Milliseconds after which what is left over is old enough to go, twice."""


async def at_the_end(world: World, town: Town, people: list[Person]) -> None:
    """All of it, before a sweep and after."""
    await every_medium_has_its_bytes(world)
    await nothing_broken_lies_there(world)
    await what_was_shown_is_there(world, town)
    await who_may_fetch_can_and_nobody_else(world, town, people)
    world.clock.jump_ms += LATER
    await world.sweep()
    await nothing_needless_lies_there(world)
    await every_medium_has_its_bytes(world)


def _rows(conn: SqlConnection) -> list[tuple[int, str, int]]:
    return conn.execute("select id, sha256, size from media where deleted_at = 0 order by id").fetchall()


def _blobs(world: World) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((world.media.root / "blobs").rglob("*")) if path.is_file()}


async def every_medium_has_its_bytes(world: World) -> None:
    """Whatever the database knows as a medium is whole in the store, and so is what any message refers to."""
    blobs = _blobs(world)
    for media_id, sha256, size in await world.look(_rows):
        there = blobs.get(sha256)
        name = world.name("medium", media_id)
        assert there is not None, f"{name} has a row, and its bytes are not there"
        assert len(there) == size, f"{name} has {len(there)} of {size} bytes"


async def nothing_broken_lies_there(world: World) -> None:
    """Every blob is what its name says: a part of a file is never served."""
    for sha256, data in _blobs(world).items():
        assert hashlib.sha256(data).hexdigest() == sha256, f"a blob of {len(data)} bytes is not what its name says"


async def what_was_shown_is_there(world: World, town: Town) -> None:
    """A medium that was sent, acked and not recalled is still known, under the same id."""
    kept: Any = await world.look(
        lambda conn: {
            (row[0], row[1]): json.loads(row[2])
            for row in conn.execute("select group_id, seq, data from message where kind = 'file'")
        }
    )
    known = {row[0] for row in await world.look(_rows)}
    for group_id, seq, media_id in town.shown:
        data = kept[group_id, seq]
        place = f"{world.name('g', group_id)}/{seq}"
        assert "recalled" in data or data["media"]["id"] == media_id, f"{place} shows another medium"
        assert "recalled" in data or media_id in known, f"{place} shows {world.name('medium', media_id)}, which is gone"


def _readers(conn: SqlConnection) -> dict[int, set[int]]:
    """medium → who may fetch it, worked out from the messages themselves and not from the table of uses."""
    members: dict[int, list[tuple[int, int]]] = {}
    for group_id, user_id, since in conn.execute(
        "select group_id, user_id, visible_from from group_member where role > 0"
    ):
        members.setdefault(group_id, []).append((user_id, since))
    media = conn.execute("select id, uploader_id, deleted_at from media").fetchall()
    may = {media_id: set[int]() if deleted_at else {uploader_id} for media_id, uploader_id, deleted_at in media}
    for group_id, seq, data in conn.execute("select group_id, seq, data from message where kind = 'file'"):
        content = json.loads(data)
        if "media" in content:
            may[content["media"]["id"]] |= {user for user, since in members.get(group_id, []) if seq > since}
    return may


async def who_may_fetch_can_and_nobody_else(world: World, town: Town, people: list[Person]) -> None:
    """One device of each person fetches every medium: removal, recall and leaving ended it for whom they should."""
    may: Any = await world.look(_readers)
    brought = {each.media_id: each for each in town.media}
    for person in people[::2]:
        client = person.client
        assert client is not None
        async with world.web.asking(await client.http_access()) as http:
            for media_id, users in may.items():
                name = f"{person.name}: {world.name('medium', media_id)}"
                answer = await http.get(f"/media/{media_id}")
                if person.user_id not in users:
                    assert answer.status_code == 404, f"{name} is not for them, and they get it ({answer.status_code})"
                    continue
                assert answer.status_code == 200, f"{name} is theirs to see, and the answer is {answer.status_code}"
                if media_id in brought:
                    assert answer.content == content_of(brought[media_id].content, brought[media_id].size), (
                        f"{name} differs"
                    )


async def nothing_needless_lies_there(world: World) -> None:
    """After a sweep there are the bytes of media, and nothing else."""
    left = ""
    for _ in range(30):
        needed = {row[1] for row in await world.look(_rows)}
        blobs = set(_blobs(world))
        partial = len(list((world.media.root / "partial").iterdir()))
        if not partial and blobs == needed:
            return
        left = f"{len(needed - blobs)} blobs are lost, {len(blobs - needed)} needless, {partial} partial"
        await trio.sleep(1)
        await world.sweep()
    raise AssertionError(f"after a sweep: {left}")
