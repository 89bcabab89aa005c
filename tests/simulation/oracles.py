"""What has to hold at the end, whatever happened: the promises, asked of the database and of every device."""

import json
from typing import Any

import trio
from money_kit import problems, sum_of_accounts

from chatsrv_storage.port import Connection
from simulation.devices import Device, Town
from simulation.world import World

PATIENCE = 1800
"""Virtual seconds within which everybody has everything once the faults stop."""


def memberships(conn: Connection) -> dict[int, dict[int, tuple[int, int]]]:
    """user → group → (visible from, head)."""
    found: dict[int, dict[int, tuple[int, int]]] = {}
    for user_id, group_id, visible_from, head in conn.execute(
        "select m.user_id, m.group_id, m.visible_from, g.seq from group_member m join chat_group g on g.id = m.group_id"
        " where m.role > 0"
    ):
        found.setdefault(user_id, {})[group_id] = (visible_from, head)
    return found


async def everybody_converges(world: World, devices: list[Device]) -> None:
    """Every device has heard every group of its user up to the head, and keeps quiet about all others."""
    late: list[str] = []
    mine: Any = {}
    for _ in range(PATIENCE // 5):
        mine = await world.look(memberships)
        late = [
            f"{device.name}: group {group_id} at {device.last(group_id)} of {head}"
            for device in devices
            for group_id, (visible_from, head) in mine.get(device.user_id, {}).items()
            if device.last(group_id) != head and head > visible_from
        ]
        if not late:
            break
        await trio.sleep(5)
    assert not late, f"{len(late)} devices lack something after {PATIENCE} s without a fault: {late[:5]}"
    for device in devices:
        strange = set(device.heard) - set(mine.get(device.user_id, {}))
        assert not strange, f"{device.name} still follows {strange}, of which it is no member"


async def what_was_heard_is_what_is_stored(world: World, devices: list[Device]) -> None:
    """One order for all: the same event at the same place on every device and in the database."""

    def ids(conn: Connection) -> dict[tuple[int, int], int]:
        return {(row[0], row[1]): row[2] for row in conn.execute("select group_id, seq, id from message")}

    stored: Any = await world.look(ids)
    for device in devices:
        for group_id, heard in device.heard.items():
            for seq, message_id in heard:
                assert stored.get((group_id, seq)) == message_id, f"{device.name} heard another {group_id}/{seq}"


async def nothing_was_skipped(world: World, devices: list[Device]) -> None:
    """Who heard an event that does not follow the one before was out of the group in between."""

    def goings(conn: Connection) -> set[tuple[int, int, int]]:
        rows = conn.execute("select group_id, seq, data from message where data is not null")
        found: set[tuple[int, int, int]] = set()
        for group_id, seq, data in rows:
            member = json.loads(data).get("member")
            if member is not None:
                found.add((group_id, seq, member[0]))
        return found

    gone: Any = await world.look(goings)
    for device in devices:
        for group_id, before, after in device.jumps:
            explained = any(group == group_id and user == device.user_id and seq > before for group, seq, user in gone)
            assert explained, (
                f"{device.name} hears {after} after {before} in {group_id}, and was in the group all the time"
            )


async def what_was_acked_is_stored(world: World, town: Town) -> None:
    """No acked message is lost or moved; no share is other than it was answered."""

    def look(conn: Connection) -> tuple[dict[Any, Any], dict[Any, Any]]:
        messages = {
            (row[0], row[1]): (row[2], row[3]) for row in conn.execute("select group_id, seq, id, sent_at from message")
        }
        shares = {
            (row[0], row[1]): row[2] for row in conn.execute("select packet_id, user_id, cents from redpack_record")
        }
        return messages, shares

    answer: Any = await world.look(look)
    messages, shares = answer
    for group_id, seq, message_id, _ in town.sent:
        assert (group_id, seq) in messages, f"acked message {group_id}/{seq} is lost"
        assert messages[group_id, seq][0] == message_id, f"acked message {group_id}/{seq} is another one"
    for key, cents in town.shares.items():
        assert shares.get(key) == cents, f"share {key} was answered as {cents} and stored as {shares.get(key)}"


async def only_members_spoke_and_once(world: World) -> None:
    """Replay each group's log: whoever caused an event was in the group then, and nobody's words stand there twice."""

    def replay(conn: Connection) -> list[str]:
        wrong: list[str] = []
        present: dict[int, set[int]] = {}
        said: set[tuple[int, str]] = set()
        rows = conn.execute("select group_id, seq, sender_id, kind, text, data from message order by group_id, seq")
        for group_id, seq, sender, kind, text, data in rows:
            members = present.setdefault(group_id, set())
            content = json.loads(data) if data else {}
            if kind == "created":
                members |= {sender, *(user for user, _ in content["members"])}
            elif kind == "removed":
                # Who leaves is out before the event is told.
                members.discard(content["member"][0])
            elif sender not in members and kind != "expired":
                wrong.append(f"{group_id}/{seq}: {kind} by {sender}, who is no member")
            if kind == "added":
                members |= {user for user, _ in content["members"]}
            if kind == "text" and text.startswith("p"):
                if (sender, text) in said:
                    wrong.append(f"{group_id}/{seq}: said twice")
                said.add((sender, text))
        return wrong

    assert await world.look(replay) == []


async def the_books_are_right(world: World) -> None:
    """Everything an offline check would look at."""
    assert await world.look(problems) == []
    assert await world.look(sum_of_accounts) == 0


async def nothing_is_left_over(world: World) -> None:
    """Outboxes are empty once everybody has everything."""
    await world.up.wait()
    assert world.server is not None
    services = world.server.services
    for _ in range(60):
        if all(channel_count < 200 for channel_count in (len(services.channels),)):
            return
        await trio.sleep(1)
    raise AssertionError("channels pile up")
