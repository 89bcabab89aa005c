"""What has to hold at every commit, after every restart and at the end: the promises, asked of the database and of
every device.
"""

import gc
import json
from typing import Any, Final

import trio
from support.money_kit import problems, sum_of_accounts

from chatsrv.app.money import LONGEST_WAIT
from chatsrv_protocol.limits import MAX_OUTBOX_BYTES
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages import media
from simulation.devices import Person
from simulation.town import Town
from simulation.world import World

PATIENCE: Final = 1800
"""Virtual seconds within which everybody has everything once the faults stop."""

BY_AN_OPERATOR: Final = frozenset(("dissolved", "owner"))
"""What an operator does to a group that they are not in."""

AN_HOUR_MS: Final = 3_600_000
"""Four times as long as a packet lives here."""

TASKS_PER_STREAM: Final = 10
"""A connection is at most three tasks of the server and five of its client; one of HTTP has some of Hypercorn's."""

TASKS_PER_OPERATION: Final = 8
"""Some open a client of their own, which may be between two connections."""

TASKS_BESIDES: Final = 150
"""The server's own, the people and their clients."""


def at_a_commit(world: World, connection: Any) -> None:
    """The sum of all accounts is zero at every commit."""
    if not world.disk.frozen:
        ((total,),) = connection.execute("select coalesce(sum(balance), 0) from account")
        if total != 0:
            world.break_off(f"a transaction is about to be committed in which the books are at {total}")


async def after_a_restart(world: World, town: Town) -> None:
    """What was acked before is there, and nothing is broken."""
    await what_was_acked_is_stored(world, town)
    await the_books_are_right(world)


async def at_the_end(world: World, town: Town, people: list[Person]) -> None:
    """Everything, once there are no more faults."""
    await everybody_converges(world, people)
    await nothing_was_skipped(world, people)
    await what_was_heard_is_what_is_stored(world, people)
    await what_was_acked_is_stored(world, town)
    await only_members_spoke_and_once(world)
    await the_books_are_right(world)


async def everybody_is_there(people: list[Person]) -> None:
    """Every device has a client."""
    while any(person.client is None for person in people):
        await trio.sleep(1)


async def keep_within_bounds(world: World, town: Town) -> None:
    """Tasks, and what waits for slow readers, at any time."""
    while True:
        await trio.sleep(2)
        tasks, streams = trio.lowlevel.current_statistics().tasks_living, len(world.network.streams)
        servers = world.servers
        channels = sum(len(server.services.channels) for server in servers)
        # HTTP connections live on for their keep-alive when the client is gone.
        streams = max(streams, sum(server.connections + len(server._http) for server in servers))
        bound = TASKS_BESIDES + world.tasks_besides + channels
        bound += TASKS_PER_STREAM * streams + TASKS_PER_OPERATION * town.running
        assert tasks <= bound, (
            f"{tasks} tasks with {streams} connections, {channels} channels and {town.running} operations"
        )
        for server in servers:
            waiting, connections = server._acceptor._flusher.waiting, server.connections
            assert waiting <= MAX_OUTBOX_BYTES * max(1, connections), f"{waiting} bytes wait for {connections} readers"


async def tasks_of_a_server(world: World) -> int:
    """How many tasks there are while nobody is there."""
    await world.all_up()
    await trio.sleep(1)
    return trio.lowlevel.current_statistics().tasks_living


def memberships(conn: SqlConnection) -> dict[int, dict[int, tuple[int, int]]]:
    """user → group → (visible from, head)."""
    found: dict[int, dict[int, tuple[int, int]]] = {}
    for user_id, group_id, visible_from, head in conn.execute(
        "select m.user_id, m.group_id, m.visible_from, g.seq from group_member m join chat_group g on g.id = m.group_id"
        " where m.role > 0"
    ):
        found.setdefault(user_id, {})[group_id] = (visible_from, head)
    return found


async def everybody_converges(world: World, devices: list[Person]) -> None:
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


async def what_was_heard_is_what_is_stored(world: World, devices: list[Person]) -> None:
    """One order for all: the same event at the same place on every device and in the database."""

    def ids(conn: SqlConnection) -> dict[tuple[int, int], int]:
        return {(row[0], row[1]): row[2] for row in conn.execute("select group_id, seq, id from message")}

    stored: Any = await world.look(ids)
    for device in devices:
        for group_id, heard in device.heard.items():
            for seq, message_id in heard:
                assert stored.get((group_id, seq)) == message_id, f"{device.name} heard another {group_id}/{seq}"


async def nothing_was_skipped(world: World, devices: list[Person]) -> None:
    """Who heard an event that does not follow the one before was out of the group in between."""

    def goings(conn: SqlConnection) -> set[tuple[int, int, int]]:
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

    def look(conn: SqlConnection) -> tuple[dict[Any, Any], dict[Any, Any]]:
        messages = {
            (row[0], row[1]): (row[2], row[3]) for row in conn.execute("select group_id, seq, id, sent_at from message")
        }
        shares = {
            (row[0], row[1]): row[2] for row in conn.execute("select packet_id, user_id, cents from redpack_record")
        }
        return messages, shares

    answer: Any = await world.look(look)
    messages, shares = answer
    for group_id, seq, message_id in town.sent:
        assert (group_id, seq) in messages, f"acked message {group_id}/{seq} is lost"
        assert messages[group_id, seq][0] == message_id, f"acked message {group_id}/{seq} is another one"
    for key, cents in town.shares.items():
        assert shares.get(key) == cents, f"share {key} was answered as {cents} and stored as {shares.get(key)}"


async def only_members_spoke_and_once(world: World) -> None:
    """Replay each group's log: whoever caused an event was in the group then, and nobody's words stand there twice."""

    def replay(conn: SqlConnection) -> list[str]:
        wrong: list[str] = []
        present: dict[int, set[int]] = {}
        said: set[tuple[int, str]] = set()
        operators = {user_id for (user_id,) in conn.execute("select id from person where operator = 1")}
        rows = conn.execute("select group_id, seq, sender_id, kind, text, data from message order by group_id, seq")
        for group_id, seq, sender, kind, text, data in rows:
            members = present.setdefault(group_id, set())
            content = json.loads(data) if data else {}
            if kind == "created":
                members |= {sender, *(user for user, _ in content["members"])}
            elif kind in ("removed", "banned"):
                # Who leaves is out before the event is told.
                members.discard(content["member"][0])
            elif kind == "added" and sender in {user for user, _ in content["members"]}:
                pass  # somebody came in by a code
            elif sender in operators and kind in BY_AN_OPERATOR:
                pass
            elif sender not in members and kind != "expired":
                wrong.append(f"{group_id}/{seq}: {kind} by {sender}, who is no member")
            if kind == "added":
                members |= {user for user, _ in content["members"]}
            if kind == "text" and text.startswith("p") and "origin" not in content:
                if (sender, text) in said:
                    wrong.append(f"{group_id}/{seq}: said twice")
                said.add((sender, text))
        return wrong

    wrong: Any = await world.look(replay)
    assert not wrong, f"{len(wrong)} events that should not be: {wrong[:3]}"


async def the_books_are_right(world: World) -> None:
    """Everything an offline check would look at."""
    wrong = [*await world.look(problems), *await world.look(media.check)]
    assert not wrong, f"{len(wrong)} things are wrong with the database: {wrong[:3]}"
    total = await world.look(sum_of_accounts)
    assert total == 0, f"the books are at {total}"


async def every_packet_comes_to_an_end(world: World, town: Town) -> None:
    """Long after, each packet is exhausted or has gone back, to the cent, and the wallets hold all the money."""

    def at_an_end(conn: SqlConnection) -> list[tuple[Any, ...]]:
        return conn.execute(
            "select r.id, r.state, r.total, r.refunded_cents, (select coalesce(sum(cents), 0) from redpack_record p"
            " where p.packet_id = r.id) from redpack r"
        ).fetchall()

    while town.running:  # somebody may still be sending one
        await trio.sleep(1)
    world.clock.jump_ms += AN_HOUR_MS
    await trio.sleep(LONGEST_WAIT + 5)
    for packet_id, state, total, refunded, paid in await world.look(at_an_end):
        name = world.name("packet", packet_id)
        assert state != "live", f"{name} is still open long after its time"
        assert refunded + paid == total, f"{name}: {paid} cents paid and {refunded} given back of {total}"
    await the_books_are_right(world)


async def nothing_is_left_over(world: World, idle: int) -> None:
    """Once everybody is gone the server is as it was before they came, and nothing holds the servers of former lives."""
    await world.all_up()
    servers = world.servers
    left = ""
    for _ in range(PATIENCE // 20):
        libraries = [server.services.library for server in servers]
        tasks = trio.lowlevel.current_statistics().tasks_living
        left = (
            f"{sum(server.connections for server in servers)} connections,"
            f" {sum(len(server.services.channels) for server in servers)} channels, {tasks} tasks (at first {idle}),"
            f" {sum(server._acceptor._flusher.waiting for server in servers)} bytes,"
            f" {sum(each.uploads._busy.total() for each in libraries if each is not None)} uploads,"
            f" {len(world.network.streams)} streams"
        )
        if left == f"0 connections, 0 channels, {idle} tasks (at first {idle}), 0 bytes, 0 uploads, 0 streams":
            break
        await trio.sleep(10)
    else:
        raise AssertionError(f"left over when everybody is gone: {left}")
    gc.collect()
    former = [reference for reference in world.former if reference() not in (None, *servers)]
    assert not former, f"{len(former)} servers of {world.lives} lives are still in memory"
