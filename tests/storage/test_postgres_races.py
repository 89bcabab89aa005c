"""Every script that changes the database, with another node beside it: who is second waits, or finds what the first stored.

The table at the end names what protects each function that writes; a new one without an answer fails.
"""

import ast
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from support.nodes_kit import PEOPLE, Node, fresh_database, give, make_group, once_of, open_nodes, register
from support.postgres_kit import require_postgres
from support.race_kit import (
    ANN,
    BOB,
    CAT,
    LONG_MS,
    Race,
    code_of,
    job,
    picture,
    prepare,
    race,
    script,
    send,
    turn,
    upload,
)

from chatsrv_storage.accounts import (
    accounts,
    audit_log,
    login_addresses,
    login_attempts,
    profiles,
    push_subscriptions,
    sessions,
)
from chatsrv_storage.accounts.login_attempts import AttemptLimit
from chatsrv_storage.accounts.push_subscriptions import PushSubscription
from chatsrv_storage.engine import clock_history, id_reservation
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import consent, direct, face_to_face, governing, invites, lifecycle
from chatsrv_storage.groups.models import Actor, MembershipLimits
from chatsrv_storage.groups.transaction import Accepted, Command, Post
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages import (
    edits,
    history,
    media,
    media_claims,
    own_media,
    paused_uploads,
    push_notices,
    reactions_pins,
    receipts,
    reports,
    search,
    upload_pieces,
)
from chatsrv_storage.money import ledger, packet_audit, packets, payouts
from chatsrv_storage.money.openings import Open

NOW = 1_790_000_000_000
DAN: Final = PEOPLE[3]
OUT: Final = Actor(99, "outsider")


class World:
    """Two nodes on a database with people, two groups of Ann, Bob and Cat, and money in every wallet."""

    def __init__(self, dsn: str, nodes: list[Node]) -> None:
        self.dsn, self.nodes = dsn, nodes

    async def set_up(self) -> None:
        await self.write(lambda conn: register(conn, [*PEOPLE, OUT]))
        for group_id in (10, 11):
            await make_group(self.nodes[0], group_id, [ANN, BOB, CAT])
        for actor in (ANN, BOB):
            await give(self.nodes[0], actor, 1_000)

    async def race(self, first: Any, second: Any) -> Race:
        return await race(self.dsn, self.nodes, first, second)

    async def write(self, what: Callable[[SqlConnection], Any]) -> Any:
        return await self.nodes[0].storage.write(what)

    async def turn(self, group_id: int, command: Any) -> Any:
        (outcome,) = await self.nodes[0].run(group_id, command)
        assert isinstance(outcome, Accepted), outcome
        return outcome.reply

    async def script(self, group_id: int, actor: Actor, what: Any) -> Any:
        return await self.turn(group_id, Command(actor, None, what))

    async def row(self, sql: str) -> Any:
        return await self.nodes[0].storage.read(lambda conn: conn.execute(sql).fetchone())

    async def problems(self) -> list[str]:
        def look(conn: SqlConnection) -> list[str]:
            checks = (history.check, ledger.check, packet_audit.check, payouts.check, audit_log.check)
            return [problem for check in checks for problem in check(conn)]

        return await self.nodes[0].storage.read(look)


RACES: dict[str, Callable[[World], Any]] = {}


def a_race(function: Callable[[World], Any]) -> Callable[[World], Any]:
    RACES[function.__name__] = function
    return function


@a_race
async def race_push_key(world: World) -> None:
    both = await world.race(
        job(lambda conn: push_subscriptions.make_server_key(conn, b"1" * 32)),
        job(lambda conn: push_subscriptions.make_server_key(conn, b"2" * 32)),
    )
    assert both.first == both.second


async def _subscribed(world: World) -> PushSubscription:
    """A device of Ann's, which is subscribed."""
    subscription = PushSubscription(501, ANN.user_id, "https://push.example/1", b"p", b"a", show_text=False)
    await world.write(lambda conn: sessions.create(conn, 501, ANN.user_id, b"1" * 32, "phone", NOW))
    await world.write(lambda conn: push_subscriptions.subscribe(conn, subscription, NOW))
    return subscription


@a_race
async def race_push_subscriptions(world: World) -> None:
    subscription = await _subscribed(world)
    await world.write(lambda conn: sessions.create(conn, 502, BOB.user_id, b"2" * 32, "same browser", NOW))
    other = attrs.evolve(subscription, session_id=502, user_id=BOB.user_id, endpoint="https://push.example/2")
    await world.write(lambda conn: push_subscriptions.subscribe(conn, other, NOW))
    same = "https://push.example/3"
    both = await world.race(
        job(lambda conn: push_subscriptions.subscribe(conn, attrs.evolve(subscription, endpoint=same), NOW)),
        job(lambda conn: push_subscriptions.subscribe(conn, attrs.evolve(other, endpoint=same), NOW)),
    )
    assert (code_of(both.first), code_of(both.second)) == ("ok", "ok")
    assert await world.row("select count(*), max(endpoint) from push_subscription") == (1, same)


@a_race
async def race_push_claim(world: World) -> None:
    await _subscribed(world)
    await world.turn(10, Post(BOB, once_of(BOB), "hello"))
    due = await world.nodes[0].storage.read(lambda conn: push_notices.due_notices(conn, [10], NOW))
    both = await world.race(
        job(lambda conn: push_notices.claim(conn, due, NOW)), job(lambda conn: push_notices.claim(conn, due, NOW))
    )
    assert ([both.first], both.second) == (due, [])


@a_race
async def race_reports(world: World) -> None:
    """Of two people, and of one who says it again at the same moment."""
    for first, second, rows in ((ANN, BOB, (2, 2)), (CAT, CAT, (3, 3))):
        both = await world.race(
            job(lambda conn, who=first: reports.report_person(conn, who.user_id, DAN.user_id, "rude", NOW)),
            job(lambda conn, who=second: reports.report_person(conn, who.user_id, DAN.user_id, "rude", NOW)),
        )
        assert (code_of(both.first), code_of(both.second)) == ("ok", "ok")
        assert await world.row("select count(*), max(id) from report") == rows


@a_race
async def race_closing_of_a_report(world: World) -> None:
    await world.write(lambda conn: accounts.set_operator(conn, "console", ANN.name, True, NOW))
    await world.write(lambda conn: reports.report_person(conn, BOB.user_id, DAN.user_id, "rude", NOW))
    both = await world.race(
        job(lambda conn: reports.close(conn, ANN.user_id, 1, "warned", NOW)),
        job(lambda conn: reports.close(conn, ANN.user_id, 1, "twice", NOW)),
    )
    assert (code_of(both.first), code_of(both.second)) == ("ok", "ok")
    assert await world.row("select count(*), max(detail) from audit where action = 'report_close'") == (1, "warned")


@a_race
async def race_name(world: World) -> None:
    both = await world.race(
        job(lambda conn: accounts.register(conn, 201, "Zoe", "!", NOW)),
        job(lambda conn: accounts.register(conn, 202, "zoe", "!", NOW)),
    )
    assert (code_of(both.first), code_of(both.second)) == ("ok", "name_taken")


@a_race
async def race_looks(world: World) -> None:
    """The key of the name differs, its looks do not."""
    both = await world.race(
        job(lambda conn: accounts.register(conn, 201, "paypal", "!", NOW)),
        job(lambda conn: accounts.register(conn, 202, "paypa1", "!", NOW)),
    )
    assert (code_of(both.first), code_of(both.second)) == ("ok", "name_taken")


@a_race
async def race_sessions(world: World) -> None:
    """The bound holds."""

    def create(number: int) -> Any:
        return job(lambda conn: sessions.create(conn, number, ANN.user_id, bytes([number % 256]) * 32, "d", NOW))

    for number in range(sessions.MAX_PER_USER - 1):
        await world.write(create(number)(world.nodes[0]))
    both = await world.race(create(150), create(151))
    assert both.codes == ["ok", "ok"]
    assert await world.row("select count(*) from session") == (sessions.MAX_PER_USER,)


@a_race
async def race_password(world: World) -> None:
    """A login with the old password leaves no session behind a new password."""

    def login(conn: SqlConnection) -> None:
        sessions.create(conn, 150, ANN.user_id, b"t" * 32, "d", NOW)
        account = accounts.by_id(conn, ANN.user_id)
        assert account is not None
        if account.password_hash != "!":
            raise Refusal("bad_credentials", "")

    both = await world.race(job(lambda conn: accounts.set_password(conn, ANN.user_id, "new", 0)), job(login))
    assert code_of(both.second) == "bad_credentials"
    assert await world.row("select count(*) from session") == (0,)
    await world.write(lambda conn: conn.execute("update person set password_hash = '!' where id = 1") and None)
    both = await world.race(job(login), job(lambda conn: accounts.set_enabled(conn, "op", ANN.name, False, NOW)))
    assert both.codes == ["ok", "ok"]
    assert await world.row("select count(*) from session") == (0,)


@a_race
async def race_audit_log(world: World) -> None:
    both = await world.race(
        job(lambda conn: audit_log.note(conn, NOW, "op", "backup", "x")),
        job(lambda conn: accounts.set_operator(conn, "op", ANN.name, True, NOW)),
    )
    assert both.codes == ["ok", "ok"]
    assert (await world.row("select count(*), max(id) from audit")) == (2, 2)


@a_race
async def race_addresses(world: World) -> None:
    for number in range(login_addresses.MAX_PER_USER - 1):
        await world.write(lambda conn, n=number: login_addresses.save(conn, [(1, f"a{n}")], NOW))
    both = await world.race(
        job(lambda conn: login_addresses.save(conn, [(1, "b"), (2, "b")], NOW + 1)),
        job(lambda conn: login_addresses.save(conn, [(2, "c"), (1, "c")], NOW + 1)),
    )
    assert both.codes == ["ok", "ok"]
    assert await world.row("select count(*) from login_address where user_id = 1") == (login_addresses.MAX_PER_USER,)


@a_race
async def race_attempts(world: World) -> None:
    """The last guess is one node's."""
    limits = [AttemptLimit("p address ann", 2, 60_000), AttemptLimit("u ann", 20, 60_000)]
    assert await world.write(lambda conn: login_attempts.take(conn, limits, NOW)) == 0
    both = await world.race(
        job(lambda conn: login_attempts.take(conn, limits, NOW)),
        job(lambda conn: login_attempts.take(conn, limits[::-1], NOW)),
    )
    assert (both.first, both.second) == (0, 30_000)


@a_race
async def race_blocks(world: World) -> None:
    for number in range(profiles.MAX_BLOCKED - 1):
        await world.write(lambda conn, n=number: _block_somebody(conn, 1000 + n))
    both = await world.race(
        job(lambda conn: profiles.block(conn, 1, 2, True)), job(lambda conn: profiles.block(conn, 1, 3, True))
    )
    assert (code_of(both.first), code_of(both.second)) == ("ok", "too_many")


def _block_somebody(conn: SqlConnection, user_id: int) -> None:
    register(conn, [Actor(user_id, f"somebody{user_id}")])
    conn.execute("insert into block values (1, ?)", (user_id,))


@a_race
async def race_block_and_addition(world: World) -> None:
    """Nobody is added by whom they block, nor against what they chose."""
    both = await world.race(
        job(lambda conn: profiles.block(conn, OUT.user_id, ANN.user_id, True)),
        script(10, ANN, lifecycle.add([OUT.user_id])),
    )
    assert code_of(both.second) == "blocked"
    both = await world.race(
        job(lambda conn: profiles.set_profile(conn, DAN.user_id, None, None, None, consent.ADDED_BY_NOBODY, now_ms=1)),
        script(10, ANN, lifecycle.add([DAN.user_id])),
    )
    assert both.second.reply.invited == [DAN.user_id]
    both = await world.race(
        job(lambda conn: profiles.block(conn, 5, ANN.user_id, True)),
        script(12, ANN, lifecycle.make("new", [5], history=True, max_members=9)),
    )
    assert code_of(both.second) == "blocked"


@a_race
async def race_invitations(world: World) -> None:
    """From two groups at once; the bound of those from one person holds."""
    await world.write(lambda conn: profiles.set_profile(conn, 4, None, None, None, consent.ADDED_BY_NOBODY, now_ms=1))
    for number in range(consent.MAX_INVITATIONS_FROM_ONE - 1):
        await make_group(world.nodes[0], 100 + number, [ANN])
        await world.script(100 + number, ANN, lifecycle.add([4]))
    both = await world.race(script(10, ANN, lifecycle.add([4])), script(11, ANN, lifecycle.add([4])))
    assert both.codes == ["ok", "ok"]
    assert await world.row("select count(*) from invitation where user_id = 4") == (consent.MAX_INVITATIONS_FROM_ONE,)
    both = await world.race(script(105, DAN, consent.ACCEPT), job(lambda conn: consent.ignore(conn, 4, 105)))
    assert isinstance(both.first, Accepted)
    assert code_of(both.second) == "invite_unknown"


@a_race
async def race_groups_of_one(world: World) -> None:
    """How many groups somebody is in, and into how many they were put today."""
    limits, newcomer = MembershipLimits(groups_per_user=1), DAN.user_id
    both = await world.race(*(script(group_id, ANN, lifecycle.add([newcomer]), limits) for group_id in (10, 11)))
    assert (code_of(both.first), code_of(both.second)) == ("ok", "too_many")
    limits, newcomer = MembershipLimits(added_per_day=1), PEOPLE[4].user_id
    both = await world.race(*(script(group_id, ANN, lifecycle.add([newcomer]), limits) for group_id in (10, 11)))
    assert both.codes == ["ok", "ok"]
    assert both.second.reply.invited == [newcomer]


@a_race
async def race_conversations_of_one(world: World) -> None:
    """How many conversations somebody opened today, and how many others opened with somebody."""
    for number, (low, high) in enumerate(((1, 2), (1, 3), (2, 4), (3, 4)), 301):
        await world.write(partial(direct.reserve, user_id=low, other_id=high, group_id=number))
    limits = MembershipLimits(opened_per_day=1)
    both = await world.race(*(script(300 + other - 1, ANN, direct.open_direct(other), limits) for other in (2, 3)))
    assert (code_of(both.first), code_of(both.second)) == ("ok", "too_many")
    limits = MembershipLimits(groups_per_user=1)
    before = await world.row("select contact_count from person where id = 4")
    await world.write(lambda conn: conn.execute("update person set contact_count = group_count where id in (2, 3)"))
    both = await world.race(
        script(303, BOB, direct.open_direct(4), limits), script(304, PEOPLE[2], direct.open_direct(4), limits)
    )
    assert before == (0,)
    assert (code_of(both.first), code_of(both.second)) == ("ok", "too_many")


@a_race
async def race_pair(world: World) -> None:
    """Both start the conversation: it is one."""
    both = await world.race(
        job(lambda conn: direct.reserve(conn, 1, 2, 301)), job(lambda conn: direct.reserve(conn, 2, 1, 302))
    )
    assert (both.first, both.second) == (301, 301)
    opened = await world.race(script(301, ANN, direct.open_direct(2)), script(301, BOB, direct.open_direct(1)))
    assert opened.codes == ["ok", "ok"]
    assert await world.row("select seq, members from chat_group where id = 301") == (1, 2)
    both = await world.race(
        job(lambda conn: profiles.block(conn, 3, 1, True)), job(lambda conn: direct.reserve(conn, 1, 3, 303))
    )
    assert code_of(both.second) == "blocked"


@a_race
async def race_block_and_conversation(world: World) -> None:
    """What is stored of a conversation of two after a block is nothing of theirs, whichever came first."""
    await world.write(lambda conn: direct.reserve(conn, 1, 2, 301))
    await world.script(301, ANN, direct.open_direct(2))

    def blocking(conn: SqlConnection) -> int:
        """How much of what Ann said was stored before it."""
        profiles.block(conn, BOB.user_id, ANN.user_id, True)
        return conn.execute("select count(*) from message where group_id = 301 and kind = 'text'").fetchone()[0]

    both = await world.race(job(blocking), turn(301, Post(ANN, once_of(ANN), "after it")))
    assert code_of(both.second) == "blocked"
    await world.write(lambda conn: profiles.block(conn, BOB.user_id, ANN.user_id, False))
    both = await world.race(turn(301, Post(ANN, once_of(ANN), "before it")), job(blocking))
    assert isinstance(both.first, Accepted)
    assert both.second == 1, "the block is acked, and what was under way is stored later"


@a_race
async def race_face_to_face(world: World) -> None:
    code = face_to_face.RandomCode(400, "1234", "place", LONG_MS)
    both = await world.race(
        script(400, ANN, face_to_face.join_by_code(code, "met", 9)),
        script(400, BOB, face_to_face.join_by_code(code, "met", 9)),
    )
    assert both.codes == ["ok", "ok"]
    assert await world.row("select members, seq from chat_group where id = 400") == (2, 2)


@a_race
async def race_group(world: World) -> None:
    """What is done in a group is done one after the other, whatever it is: here, an invite of one use and a name."""
    await world.script(10, ANN, invites.make_invite("code", LONG_MS, 1, 9))
    both = await world.race(script(10, DAN, invites.join("code", "", 9)), script(10, OUT, invites.join("code", "", 9)))
    assert (code_of(both.first), code_of(both.second)) == ("ok", "invite_unknown")
    both = await world.race(script(10, ANN, lifecycle.rename("a")), script(10, ANN, lifecycle.rename("b")))
    assert both.second.reply.seq == both.first.reply.seq + 1
    both = await world.race(
        script(10, ANN, governing.ban(BOB.user_id, LONG_MS)), turn(10, Post(BOB, once_of(BOB), "hello"))
    )
    assert code_of(both.second) != "ok", "who is out hears and says nothing"


@a_race
async def race_removal(world: World) -> None:
    """Two groups at once: the version of a user counts both."""
    both = await world.race(script(10, ANN, lifecycle.remove(2)), script(11, ANN, lifecycle.remove(2)))
    assert both.codes == ["ok", "ok"]
    assert await world.row("select version, group_count from person where id = 2") == (4, 0)


@a_race
async def race_retry(world: World) -> None:
    """A client that sends its command again through another node gets the first result; another command is refused."""
    once = once_of(ANN)
    both = await world.race(turn(10, Post(ANN, once, "hello")), turn(10, Post(ANN, once, "hello")))
    assert both.first.reply == both.second.reply
    assert await world.row("select count(*) from message where kind = 'text'") == (1,)
    once = once_of(ANN)
    other = once._replace(payload_hash=b"other")
    both = await world.race(turn(10, Post(ANN, once, "hello")), turn(11, Post(ANN, other, "hello")))
    assert (code_of(both.first), code_of(both.second)) == ("ok", "client_id_conflict")


@a_race
async def race_grant(world: World) -> None:
    await world.write(lambda conn: accounts.set_operator(conn, "op", ANN.name, True, NOW))
    once = once_of(ANN)

    def granting(node: Node) -> Any:
        return lambda conn: payouts.grant_money(conn, once, ANN.user_id, BOB.name, 50, node.ids, node.now_ms)

    both = await world.race(granting, granting)
    assert both.first == both.second
    assert await world.row("select balance from account where kind = 'wallet' and id = 2") == (1_050,)


@a_race
async def race_wallet(world: World) -> None:
    """Money that is there once is withdrawn, or paid into a packet, once."""

    def withdrawing(node: Node) -> Any:
        return lambda conn: payouts.withdraw_money(conn, once_of(ANN), ANN.user_id, 950, node.ids, node.now_ms)

    await world.script(10, ANN, prepare(500))
    both = await world.race(withdrawing, script(10, ANN, send(500)))
    assert (code_of(both.first), code_of(both.second)) == ("ok", "insufficient_funds")
    assert await world.row("select balance from account where kind = 'wallet' and id = 1") == (50,)


@a_race
async def race_payout(world: World) -> None:
    """Two nodes ask for the same payout: one of them does. Both conclude it: it is booked once."""
    node = world.nodes[0]
    number, _ = await world.write(
        lambda conn: payouts.withdraw_money(conn, once_of(ANN), ANN.user_id, 100, node.ids, node.now_ms)
    )
    (due,) = await node.storage.read(lambda conn: payouts.due(conn, NOW + 10, 9, 3_600_000))
    both = await world.race(
        job(lambda conn: payouts.claim(conn, due, NOW + 60_000)),
        job(lambda conn: payouts.claim(conn, due, NOW + 60_000)),
    )
    assert (both.first, both.second) == (True, False)
    assert await node.storage.read(lambda conn: payouts.due(conn, NOW + 10, 9, 3_600_000)) == []
    both = await world.race(
        lambda a: lambda conn: payouts.conclude(conn, number, a.ids, a.now_ms, paid=False),
        lambda b: lambda conn: payouts.conclude(conn, number, b.ids, b.now_ms, paid=True),
    )
    assert (both.first, both.second) == (1_000, None)


@a_race
async def race_prepared(world: World) -> None:
    for number in range(packets.MAX_PREPARED - 1):
        await world.script(10, ANN, prepare(600 + number))
    both = await world.race(script(10, ANN, prepare(700)), script(11, ANN, prepare(701)))
    assert both.codes == ["ok", "ok"]
    assert await world.row("select count(*) from redpack_prepared") == (packets.MAX_PREPARED,)


@a_race
async def race_packet(world: World) -> None:
    """One share, two who open; then its end, twice."""
    await world.script(10, ANN, prepare(500))
    await world.script(10, ANN, send(500))
    both = await world.race(
        turn(10, Open(BOB, once_of(BOB), 500, show_cents=True)), turn(10, Open(CAT, once_of(CAT), 500, show_cents=True))
    )
    assert (code_of(both.first), code_of(both.second)) == ("ok", "exhausted")
    both = await world.race(script(10, ANN, packets.expire_packet(500)), script(10, ANN, packets.expire_packet(500)))
    assert both.codes == ["ok", "ok"]


@a_race
async def race_wallets_of_openings(world: World) -> None:
    """Shares of two packets go into the same wallets at once."""
    for group_id in (10, 11):
        await world.script(group_id, ANN, prepare(500 + group_id))
        await world.script(group_id, ANN, send(500 + group_id))
    both = await world.race(
        turn(10, Open(BOB, once_of(BOB), 510, show_cents=True)), turn(11, Open(BOB, once_of(BOB), 511, show_cents=True))
    )
    assert both.codes == ["ok", "ok"]
    assert await world.row("select balance from account where kind = 'wallet' and id = 2") == (1_200,)


@a_race
async def race_uploads(world: World) -> None:
    """The quota, the number under way, and a key that is used twice."""

    def begin(name: str, key: str | None = None, quota: int = 15, most: int = 9) -> Any:
        return job(lambda conn: media.begin_upload(conn, upload(name, key=key), quota, most, NOW))

    both = await world.race(begin("a"), begin("b"))
    assert (code_of(both.first), code_of(both.second)) == ("ok", "media_over_quota")
    both = await world.race(begin("c", quota=999, most=2), begin("d", quota=999, most=2))
    assert (code_of(both.first), code_of(both.second)) == ("ok", "media_too_many_uploads")
    both = await world.race(begin("e", "key", 999), begin("f", "key", 999))
    assert (both.first.id, both.second.id) == ("e", "e")


@a_race
async def race_paused_uploads(world: World) -> None:
    """A paused upload gives way to one of two that begin, and there is no room for the other."""
    old = attrs.evolve(upload("old"), expires_at=NOW + 1)
    await world.write(lambda conn: media.begin_upload(conn, old, 15, 9, NOW))

    def begin(name: str) -> Any:
        def run(conn: SqlConnection) -> list[str]:
            ended = paused_uploads.give_way(conn, upload(name), 15, 9, NOW, ())
            media.begin_upload(conn, upload(name), 15, 9, NOW)
            return [each.id for each in ended]

        return job(run)

    both = await world.race(begin("a"), begin("b"))
    assert (both.first, code_of(both.second)) == ("old", "media_over_quota")


@a_race
async def race_upload_that_arrives(world: World) -> None:
    """Bytes of a paused upload arrive at one node while another wants its place: it goes on, or is told that it ended."""
    for name in ("x", "y"):
        paused = attrs.evolve(upload(name), expires_at=NOW + 1)
        await world.write(lambda conn, paused=paused: media.begin_upload(conn, paused, 99, 9, NOW))

    def arrives(name: str) -> Any:
        return job(lambda conn: paused_uploads.note_arriving(conn, {name: ANN.user_id}, NOW))

    def give_way(most: int) -> Any:
        return job(lambda conn: [each.id for each in paused_uploads.give_way(conn, upload("new"), 99, most, NOW, ())])

    both = await world.race(arrives("x"), give_way(1))
    assert (both.first, both.second) == ("x", "y")
    await world.write(lambda conn: conn.execute("update media_upload set expires_at = ?", (NOW + 1,)) and None)
    both = await world.race(give_way(2), arrives("x"))
    assert (both.first, both.second) == ("x", []), "told that it ended"


@a_race
async def race_upload_pieces(world: World) -> None:
    """Two nodes store the next piece: one does. An upload that ends gets none, and one that is stored goes with it."""
    await world.write(lambda conn: media.begin_upload(conn, upload("u"), 15, 9, NOW))

    def add(start: int, stop: int, after: int, name: str) -> Any:
        piece = upload_pieces.UploadPiece(start, stop, name)
        return job(lambda conn: upload_pieces.add_piece(conn, ANN.user_id, "u", piece, after))

    both = await world.race(add(0, 5, 0, "a"), add(0, 6, 0, "b"))
    assert (both.first, both.second) == (True, False)
    both = await world.race(add(0, 8, 5, "c"), add(5, 9, 5, "d"))
    assert (both.first, both.second) == (True, False), "the first took in what was there"
    assert await world.row("select start, stop, name from media_upload_piece") == (0, 8, "c")
    await world.race(job(lambda conn: media.drop_upload(conn, "u")), add(8, 10, 8, "e"))
    assert await world.row("select count(*) from media_upload_piece") == (0,)


@a_race
async def race_media(world: World) -> None:
    """The quota of what was stored; one upload that is finished twice."""

    def add(number: int, quota: int = 15) -> Any:
        return job(lambda conn: media.add(conn, picture(number), b"w", upload(f"u{number % 10}"), quota, NOW))

    both = await world.race(add(1), add(2))
    assert (code_of(both.first), code_of(both.second)) == ("ok", "media_over_quota")
    both = await world.race(add(3, 999), add(13, 999))
    assert both.first.id == both.second.id == 3


@a_race
async def race_sweep_of_media(world: World) -> None:
    """What is just being used is not swept, and what is swept cannot be used."""
    for number in (1, 2, 3, 4):
        await world.write(lambda conn, n=number: media.add(conn, picture(n), None, upload(f"u{n}"), 999, NOW))

    def sweep(number: int) -> Any:
        return job(lambda conn: media.remove_unused(conn, [number]))

    def say(number: int) -> Any:
        return script(10, ANN, edits.say("look", 0, [], mention_all=False, media_id=number))

    both = await world.race(say(1), sweep(1))
    assert (code_of(both.first), both.second) == ("ok", 0)
    both = await world.race(sweep(2), say(2))
    assert (both.first, code_of(both.second)) == (1, "media_unknown")
    both = await world.race(script(10, ANN, media.set_avatar(3, 90)), sweep(3))
    assert (code_of(both.first), both.second) == ("ok", 0)
    both = await world.race(sweep(4), script(10, ANN, media.set_avatar(4, 91)))
    assert (both.first, code_of(both.second)) == (1, "media_unknown")


@a_race
async def race_claims_on_bytes(world: World) -> None:
    """A sweep removes no bytes that an upload stores or has stored, and an upload stores none that a sweep removes."""
    sha256 = picture(1).sha256

    def claim(number: int) -> Any:
        return job(lambda conn: media_claims.claim(conn, sha256, number, NOW))

    def sweep(now_ms: int = NOW) -> Any:
        return job(lambda conn: media_claims.claim_for_sweep(conn, sha256, now_ms))

    def conclude(conn: Any, number: int) -> str:
        concluded = media_claims.conclude(conn, sha256, number)
        media.add(conn, attrs.evolve(picture(number), sha256=sha256), None, upload(f"u{number}"), 999, NOW)
        return f"concluded {concluded}"

    both = await world.race(claim(1), sweep())
    assert (both.first, both.second) == (True, False)
    both = await world.race(job(lambda conn: conclude(conn, 1)), sweep())
    assert (both.first, both.second) == ("concluded True", False)
    await world.write(lambda conn: media.remove_unused(conn, [1]) and None)
    both = await world.race(sweep(), claim(2))
    assert (both.first, both.second) == (True, False)
    both = await world.race(sweep(), sweep())
    assert (both.first, both.second) == (False, False), "one sweep at a time"
    await world.write(lambda conn: media_claims.end_sweep(conn, sha256))
    both = await world.race(claim(2), claim(3))
    assert (both.first, both.second) == (True, True)
    both = await world.race(claim(4), sweep(NOW + media_claims.UPLOAD_CLAIM_MS))
    assert (both.first, both.second) == (True, True), "an upload is given up after a day"
    assert await world.write(lambda conn: conclude(conn, 4)) == "concluded False"


@a_race
async def race_deletion_of_media(world: World) -> None:
    """A picture that is deleted is nobody's from then on."""
    await world.write(lambda conn: media.add(conn, picture(1), None, upload("u"), 999, NOW))
    both = await world.race(
        job(lambda conn: own_media.delete(conn, ANN.user_id, 1, NOW)), script(10, ANN, media.set_avatar(1, 90))
    )
    assert code_of(both.second) == "media_unknown"


@a_race
async def race_search(world: World) -> None:
    """Words that were read before a recall are not in the index after it."""
    for group_id, first_index in ((10, True), (11, False)):
        said = await world.turn(group_id, Post(ANN, once_of(ANN), "secret words"))
        indexing = job(lambda conn, g=group_id: search.index(conn, [g], 99))
        recalling = script(group_id, ANN, edits.recall(said.seq, LONG_MS))
        both = await world.race(*((indexing, recalling) if first_index else (recalling, indexing)))
        assert both.codes == ["ok", "ok"]
    assert await world.row("select count(*) from search where words @@ to_tsquery('simple', 'secret')") == (0,)


@a_race
async def race_clock(world: World) -> None:
    both = await world.race(
        job(lambda conn: clock_history.note(conn, NOW)), job(lambda conn: clock_history.note(conn, NOW))
    )
    assert both.codes == ["ok", "ok"]
    assert await world.row("select count(*), max(number) from clock_reading") == (2, 2)
    await world.race(
        job(lambda conn: id_reservation.reserve(conn, 50)), job(lambda conn: id_reservation.reserve(conn, 40))
    )
    assert await world.row("select reserved_until from clock") == (50,)


@a_race
async def race_receipts(world: World) -> None:
    """Devices note what they have while the group goes on, in the other order of people."""
    marks = [receipts.Mark(user, group, 9) for user in (3, 2, 1) for group in (11, 10)]
    both = await world.race(turn(10, Post(ANN, once_of(ANN), "x")), job(lambda conn: receipts.deliver(conn, marks)))
    assert both.codes == ["ok", "ok"]
    assert await world.row("select count(*) from group_member where delivered_seq > 0") == (6,)
    both = await world.race(
        script(10, BOB, reactions_pins.react(2, "👍", on=True)), script(10, BOB, reactions_pins.react(2, "👍", on=True))
    )
    assert both.codes == ["ok", "ok"]


@pytest.mark.parametrize("name", sorted(RACES))
async def test_two_nodes_at_once(name: str) -> None:
    require_postgres()
    with fresh_database() as dsn:
        async with open_nodes(dsn, 0, 3, inline=False) as nodes:
            world = World(dsn, nodes)
            await world.set_up()
            await RACES[name](world)
            assert await world.problems() == []


GROUP: Final = ("race_group",)
"""It runs in the group's turn, under the lock of the group's row."""
ANEW: Final[tuple[str, ...]] = ()
"""One statement without a look before it, that says what is to be, or drops what is over: in whatever order, however often."""

ANSWERS: Final[dict[str, tuple[str, ...]]] = {
    "accounts/accounts.py:_end_sessions": ("race_password",),
    "accounts/accounts.py:register": ("race_name", "race_looks"),
    "accounts/accounts.py:set_enabled": ("race_password",),
    "accounts/accounts.py:set_operator": ("race_audit_log",),
    "accounts/accounts.py:set_password": ("race_password",),
    "accounts/audit_log.py:note": ("race_audit_log",),
    "accounts/login_addresses.py:forget": ANEW,
    "accounts/login_addresses.py:save": ("race_addresses",),
    "accounts/login_addresses.py:sweep": ANEW,
    "accounts/login_attempts.py:_store": ("race_attempts",),
    "accounts/login_attempts.py:sweep": ANEW,
    "accounts/profiles.py:block": (
        "race_blocks",
        "race_block_and_addition",
        "race_pair",
        "race_block_and_conversation",
    ),
    "accounts/profiles.py:set_profile": ("race_block_and_addition",),
    "accounts/push_subscriptions.py:end": ANEW,
    "accounts/push_subscriptions.py:make_server_key": ("race_push_key",),
    "accounts/push_subscriptions.py:subscribe": ("race_push_subscriptions",),
    "accounts/push_subscriptions.py:unsubscribe": ANEW,
    "accounts/sessions.py:create": ("race_sessions", "race_password"),
    "accounts/sessions.py:end": ANEW,
    "accounts/sessions.py:sweep": ANEW,
    "accounts/sessions.py:touch": ANEW,
    "engine/clock_history.py:note": ("race_clock",),
    "engine/id_reservation.py:reserve": ("race_clock",),
    "groups/consent.py:ignore": ("race_invitations",),
    "groups/consent.py:invite": ("race_invitations",),
    "groups/direct.py:reserve": ("race_pair",),
    "groups/face_to_face.py:join_by_code": ("race_face_to_face",),
    "groups/face_to_face.py:sweep": ANEW,
    "groups/governing.py:_give_role": GROUP,
    "groups/governing.py:ban": GROUP,
    "groups/governing.py:make_owner": GROUP,
    "groups/governing.py:mute": GROUP,
    "groups/governing.py:set_nickname": GROUP,
    "groups/governing.py:set_notice": GROUP,
    "groups/governing.py:set_rules": GROUP,
    "groups/governing.py:unban": GROUP,
    "groups/invites.py:_ask": GROUP,
    "groups/invites.py:_use": GROUP,
    "groups/invites.py:decide": GROUP,
    "groups/invites.py:make_invite": GROUP,
    "groups/invites.py:revoke_invite": GROUP,
    "groups/lifecycle.py:found": ("race_pair", "race_face_to_face"),
    "groups/lifecycle.py:rename": GROUP,
    "groups/membership.py:_count_conversation": ("race_conversations_of_one",),
    "groups/membership.py:_count_groups": ("race_groups_of_one",),
    "groups/membership.py:_take_out": ("race_group", "race_removal"),
    "groups/membership.py:admit": ("race_block_and_addition",),
    "groups/membership.py:close": GROUP,
    "groups/membership.py:enter": ("race_groups_of_one",),
    "groups/membership.py:withdraw_request": GROUP,
    "groups/transaction.py:GroupTransaction": ("race_group", "race_removal"),
    "groups/unit_of_work.py:UnitOfWork": ("race_retry", "race_receipts"),
    "idempotency.py:IdempotencyGate": ("race_retry", "race_grant", "race_packet"),
    "idempotency.py:sweep": ANEW,
    "messages/edits.py:_forget": GROUP,
    "messages/edits.py:_replace_calls": GROUP,
    "messages/edits.py:_said": GROUP,
    "messages/edits.py:edit": GROUP,
    "messages/media.py:_insert": ("race_media",),
    "messages/media.py:add": ("race_media",),
    "messages/media.py:begin_upload": ("race_uploads",),
    "messages/media.py:drop_expired": ANEW,
    "messages/media.py:drop_upload": ANEW,
    "messages/media.py:extend_upload": ANEW,
    "messages/media.py:forget_use": GROUP,
    "messages/media.py:note_use": ("race_sweep_of_media",),
    "messages/media.py:remove_unused": ("race_sweep_of_media",),
    "messages/media.py:set_avatar": ("race_sweep_of_media", "race_deletion_of_media"),
    "messages/media_claims.py:_delete": ("race_claims_on_bytes",),
    "messages/media_claims.py:_insert": ("race_claims_on_bytes",),
    "messages/media_claims.py:claim_for_sweep": ("race_claims_on_bytes",),
    "messages/media_claims.py:drop_expired": ("race_claims_on_bytes",),
    "messages/message_content.py:rewrite": GROUP,
    "messages/paused_uploads.py:give_way": ("race_paused_uploads", "race_upload_that_arrives"),
    "messages/paused_uploads.py:note_arriving": ("race_upload_that_arrives",),
    "messages/upload_pieces.py:add_piece": ("race_upload_pieces",),
    "messages/own_media.py:clear_avatar": GROUP,
    "messages/own_media.py:delete": ("race_deletion_of_media",),
    "messages/push_notices.py:_claim": ("race_push_claim",),
    "messages/push_notices.py:release": ANEW,
    "messages/push_notices.py:try_later": ANEW,
    "messages/reactions_pins.py:pin": GROUP,
    "messages/reactions_pins.py:react": ("race_receipts",),
    "messages/reports.py:_store": ("race_reports",),
    "messages/reports.py:close": ("race_closing_of_a_report",),
    "messages/receipts.py:deliver": ("race_receipts",),
    "messages/receipts.py:set_quiet": GROUP,
    "messages/search.py:_lock": ("race_search",),
    "messages/search.py:_positions": ("race_search",),
    "messages/search.py:index": ("race_search",),
    "messages/search_fts5.py:purge": ANEW,
    "messages/search_fts5.py:remove": ANEW,
    "messages/search_tsvector.py:put": ("race_search",),
    "messages/search_tsvector.py:remove": ("race_search",),
    "money/ledger.py:post": ("race_wallet", "race_payout"),
    "money/ledger.py:post_shares": ("race_packet", "race_wallets_of_openings"),
    "money/openings.py:_Run": ("race_packet",),
    "money/packets.py:drop_lapsed": ANEW,
    "money/packets.py:drop_prepared": ANEW,
    "money/packets.py:prepare_packet": ("race_prepared",),
    "money/packets.py:save_all": ("race_packet",),
    "money/packets.py:send_packet": ("race_wallet",),
    "money/payouts.py:claim": ("race_payout",),
    "money/payouts.py:conclude": ("race_payout",),
    "money/payouts.py:try_later": ANEW,
    "money/payouts.py:withdraw_money": ("race_wallet",),
    "name_looks.py:_bring_up_to_date": ANEW,
    "name_looks.py:add": ("race_looks",),
    "row_checksums.py:seal": ("race_password",),
}
"""What protects each function with a statement that writes: the races that show it."""

_STORAGE: Final = Path(search.__file__).parent.parent
_FOR_A_MIGRATION: Final = ("migration_steps.py", "row_checksums.py:seal_all", "engine/migrate.py")
_ENGINE: Final = ("engine/clock_history.py", "engine/id_reservation.py")


def test_every_function_that_writes_has_an_answer_to_a_second_node() -> None:
    found: set[str] = set()
    for path in sorted(_STORAGE.rglob("*.py")):
        name = path.relative_to(_STORAGE).as_posix()
        if name.startswith(("postgres/", "engine/")) and name not in _ENGINE:
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and _writes(node):
                found.add(f"{name}:{node.name}")
    found = {each for each in found if not each.startswith(_FOR_A_MIGRATION)}
    assert found == set(ANSWERS)
    named = {race for races in ANSWERS.values() for race in races}
    assert named == set(RACES), "each race is an answer"


def _writes(node: ast.AST) -> bool:
    texts = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str))
    return any(text.lstrip().lower().startswith(("insert into", "update ", "delete from")) for text in texts)
