"""Red packets over the wire: what members see, what is refused, and that the books balance after everything."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from support.money_kit import Someone, client_ids, people_of, problems, sum_of_accounts

from chatsrv import open_client
from chatsrv.testing import QUICK, TestServer, open_test_server
from chatsrv_protocol import ProtocolError
from chatsrv_protocol import redpack as wire
from chatsrv_protocol.common import Refused
from chatsrv_protocol.groups import AddMembers, LeaveGroup, MakeGroup, RemoveMember
from chatsrv_protocol.messages import PACKET, Message
from chatsrv_protocol.sync import History, ListGroups
from chatsrv_redpack import parse_reveal, verify
from chatsrv_redpack.reveal import FORMAT
from chatsrv_storage.accounts import accounts
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import GroupTransaction
from chatsrv_storage.idempotency import Once
from chatsrv_storage.money import openings, packets

SEED = bytes(range(32))


@attrs.define
class Table:
    """Four people in a group, with 100.00 each; dora is in no group, oscar is the operator."""

    server: TestServer
    people: dict[str, Someone]
    group_id: int
    new_id: Any

    def __getitem__(self, name: str) -> Someone:
        return self.people[name]

    async def prepare(
        self, total: int, count: int, mode: int = wire.LUCKY, receiver_id: int = 0, who: str = "ann"
    ) -> Any:
        return await self[who].ask(wire.PreparePacket(self.new_id(), self.group_id, total, count, mode, receiver_id))

    async def send(self, total: int, count: int, mode: int = wire.LUCKY, receiver_id: int = 0, who: str = "ann") -> int:
        prepared = await self.prepare(total, count, mode, receiver_id, who)
        assert isinstance(prepared, wire.PacketPrepared), prepared
        sent = await self[who].ask(wire.SendPacket(self.new_id(), self.group_id, prepared.packet_id, SEED, "恭喜发财"))
        assert isinstance(sent, wire.PacketSent), sent
        return sent.packet_id

    async def open(self, who: str, packet_id: int) -> Any:
        return await self[who].ask(wire.OpenPacket(self.new_id(), self.group_id, packet_id))

    async def balance(self, who: str) -> int:
        return (await self[who].ask(wire.ShowBalance())).cents


@asynccontextmanager
async def table(config: Any = QUICK) -> AsyncGenerator[Table]:
    async with open_test_server(config) as server:
        services = server.server.services
        people = {p.name: p for p in await people_of(services, ["ann", "bob", "chen", "emil", "dora"], 10_000)}
        for person in people.values():
            await person.connect(server.dial)
        new_id = client_ids(server.clock.now_ms)
        members = tuple(people[name].user_id for name in ("bob", "chen", "emil"))
        made = await people["ann"].ask(MakeGroup(new_id(), "table", members))
        yield Table(server, people, made.group_id, new_id)
        storage = services.storage
        assert await storage.read(problems) == []
        assert await storage.read(sum_of_accounts) == 0


def code(answer: Any) -> str:
    assert isinstance(answer, Refused), answer
    return answer.code


async def test_a_packet_from_prepare_to_the_last_share(autojump_clock: Any) -> None:
    async with table() as t:
        packet_id = await t.send(1000, 3)
        assert await t.balance("ann") == 9000
        message = await t["bob"].hear(Message)
        assert (message.kind, message.text, message.packet.packet_id) == (PACKET, "恭喜发财", packet_id)
        assert message.packet.client_seed == SEED
        assert await t["bob"].ask(wire.GrabPacket(t.group_id, packet_id)) == wire.Grabbed("open_to_you")
        shares = [await t.open(name, packet_id) for name in ("bob", "chen", "emil")]
        assert [share.number for share in shares] == [0, 1, 2]
        assert [share.left for share in shares] == [2, 1, 0]
        assert sum(share.cents for share in shares) == 1000
        assert await t.balance("bob") == 10_000 + shares[0].cents
        assert code(await t.open("ann", packet_id)) == "exhausted"
        over = await t["bob"].hear(wire.PacketExhausted)
        shown = await t["chen"].ask(wire.ShowPacket(packet_id))
        best = max(shares, key=lambda share: share.cents)
        assert shown.luckiest is not None
        assert shown.openings[shown.luckiest].cents == best.cents == over.luckiest_cents
        assert over.server_seed == shown.server_seed
        answer = await t["bob"].ask(wire.GrabPacket(t.group_id, packet_id))
        assert answer == wire.Grabbed("already_had", shares[0].cents)
        history = await t["bob"].ask(History(t.group_id))
        assert history.last == history.seq
        assert [type(event).__name__ for event in t["bob"].parts[1:]] == [
            "Message",
            "PacketOpened",
            "PacketOpened",
            "PacketOpened",
            "PacketExhausted",
        ]


async def test_every_share_can_be_verified_from_what_is_shown(autojump_clock: Any) -> None:
    async with table() as t:
        for mode, count in ((wire.LUCKY, 3), (wire.SHUFFLED, 3), (wire.EQUAL, 2)):
            prepared = await t.prepare(600, count, mode)
            await t["ann"].ask(wire.SendPacket(t.new_id(), t.group_id, prepared.packet_id, SEED))
            for name in ("bob", "chen", "emil")[:count]:
                await t.open(name, prepared.packet_id)
            shown = await t["bob"].ask(wire.ShowPacket(prepared.packet_id))
            reveal = {
                "format": FORMAT,
                "packet_id": str(shown.packet_id),
                "total_cents": shown.total,
                "count": shown.count,
                "mode": wire.MODE_NAMES[shown.mode],
                "receiver_id": None,
                "commitment": shown.commitment.hex(),
                "server_seed": shown.server_seed.hex(),
                "client_seed": shown.client_seed.hex(),
                "opened": [
                    {"number": opening.number, "user_id": str(opening.user_id), "cents": opening.cents}
                    for opening in shown.openings
                ],
                "refunded_cents": shown.refunded,
                "luckiest": shown.luckiest,
            }
            verdict = verify(parse_reveal(reveal), seen_commitment=prepared.commitment, seen_client_seed=SEED)
            assert verdict.ok, verdict.problems


async def test_seed_and_other_amounts_stay_hidden_until_the_end(autojump_clock: Any) -> None:
    async with table(attrs.evolve(QUICK, redpack_show_amounts=False)) as t:
        packet_id = await t.send(1000, 2)
        share = await t.open("bob", packet_id)
        assert (await t["chen"].hear(wire.PacketOpened)).cents == 0
        to_chen = await t["chen"].ask(wire.ShowPacket(packet_id))
        assert to_chen.server_seed == b""
        assert to_chen.openings[0].cents == 0
        to_bob = await t["bob"].ask(wire.ShowPacket(packet_id))
        assert to_bob.openings[0].cents == share.cents
        await t.open("emil", packet_id)
        assert (await t["chen"].ask(wire.ShowPacket(packet_id))).openings[0].cents == share.cents


async def test_a_retry_of_any_step_has_one_effect(autojump_clock: Any) -> None:
    async with table() as t:
        prepare = wire.PreparePacket(t.new_id(), t.group_id, 100, 2)
        prepared = await t["ann"].ask(prepare)
        assert await t["ann"].ask(prepare) == prepared
        send = wire.SendPacket(t.new_id(), t.group_id, prepared.packet_id, SEED)
        sent = await t["ann"].ask(send)
        assert await t["ann"].ask(send) == sent
        opening = wire.OpenPacket(t.new_id(), t.group_id, prepared.packet_id)
        share = await t["bob"].ask(opening)
        assert await t["bob"].ask(opening) == share
        assert code(await t.open("bob", prepared.packet_id)) == "already_had"
        assert await t.balance("ann") == 9900
        assert await t.balance("bob") == 10_000 + share.cents
        other = wire.OpenPacket(opening.client_id, t.group_id, prepared.packet_id + 1)
        assert code(await t["bob"].ask(other)) == "client_id_conflict"


@pytest.mark.parametrize(
    ("total", "count", "mode", "receiver", "expected"),
    [
        (2, 3, wire.LUCKY, None, "bad_count"),
        (10, 3, wire.EQUAL, None, "bad_amount"),
        (20_001, 1, wire.LUCKY, None, "bad_amount"),
        (100, 2, wire.NAMED, "bob", "bad_count"),
        (100, 1, wire.NAMED, None, "bad_receiver"),
        (100, 1, wire.NAMED, "ann", "bad_receiver"),
        (100, 1, wire.NAMED, "dora", "not_member"),
        (100, 1, wire.LUCKY, "bob", "bad_receiver"),
    ],
)
async def test_shapes_that_no_packet_has(
    autojump_clock: Any, total: int, count: int, mode: int, receiver: str | None, expected: str
) -> None:
    async with table() as t:
        receiver_id = 0 if receiver is None else t[receiver].user_id
        assert code(await t.prepare(total, count, mode, receiver_id)) == expected


@pytest.mark.parametrize("total", [0, -1, True, 1.5, "7", 2**53])
def test_amounts_that_no_frame_carries(total: Any) -> None:

    with pytest.raises(ProtocolError):
        wire.PreparePacket(b"\0" * 16, 1, total, 1)


async def test_a_wallet_that_does_not_suffice(autojump_clock: Any) -> None:
    async with table() as t:
        prepared = await t.prepare(10_001, 500)
        answer = await t["ann"].ask(wire.SendPacket(t.new_id(), t.group_id, prepared.packet_id, SEED))
        assert code(answer) == "insufficient_funds"
        assert await t.balance("ann") == 10_000
        assert code(await t["ann"].ask(wire.Withdraw(t.new_id(), 10_001))) == "insufficient_funds"
        # What was refused is prepared anew once there is enough.
        storage = t.server.server.services.storage
        await storage.write(lambda conn: accounts.set_operator(conn, "test", "dora", True, 1))
        assert await t["dora"].ask(wire.GrantMoney(t.new_id(), "ann", 1)) == wire.Balance(10_001)
        assert (await t["ann"].hear(wire.WalletChanged)).cents == 10_001
        prepared = await t.prepare(10_001, 500)
        answer = await t["ann"].ask(wire.SendPacket(t.new_id(), t.group_id, prepared.packet_id, SEED))
        assert isinstance(answer, wire.PacketSent)


async def test_only_an_operator_makes_money(autojump_clock: Any) -> None:
    async with table() as t:
        assert code(await t["ann"].ask(wire.GrantMoney(t.new_id(), "ann", 1))) == "operator_only"
        assert await t.balance("ann") == 10_000


async def test_strangers_and_those_who_left_get_nothing(autojump_clock: Any) -> None:
    async with table() as t:
        packet_id = await t.send(1000, 4)
        for ask in (
            wire.GrabPacket(t.group_id, packet_id),
            wire.OpenPacket(t.new_id(), t.group_id, packet_id),
            wire.PreparePacket(t.new_id(), t.group_id, 100, 1),
            wire.SendPacket(t.new_id(), t.group_id, packet_id, SEED),
        ):
            assert code(await t["dora"].ask(ask)) == "group_unknown"
        assert code(await t["dora"].ask(wire.ShowPacket(packet_id))) == "packet_unknown"
        await t["bob"].ask(LeaveGroup(t.new_id(), t.group_id))
        assert code(await t.open("bob", packet_id)) == "group_unknown"
        await t["ann"].ask(RemoveMember(t.new_id(), t.group_id, t["chen"].user_id))
        assert code(await t.open("chen", packet_id)) == "group_unknown"
        assert code(await t["chen"].ask(wire.ShowPacket(packet_id))) == "packet_unknown"


async def test_a_packet_of_another_group_is_not_here(autojump_clock: Any) -> None:
    async with table() as t:
        packet_id = await t.send(1000, 4)
        other = await t["bob"].ask(MakeGroup(t.new_id(), "other"))
        answer = await t["bob"].ask(wire.OpenPacket(t.new_id(), other.group_id, packet_id))
        assert code(answer) == "packet_unknown"
        assert code(await t["bob"].ask(wire.GrabPacket(other.group_id, packet_id))) == "packet_unknown"
        prepared = await t.prepare(100, 1)
        stolen = wire.SendPacket(t.new_id(), t.group_id, prepared.packet_id, SEED)
        assert code(await t["bob"].ask(stolen)) == "packet_unknown"


async def test_a_packet_for_one_person(autojump_clock: Any) -> None:
    async with table() as t:
        packet_id = await t.send(500, 1, wire.NAMED, t["chen"].user_id)
        assert await t["bob"].ask(wire.GrabPacket(t.group_id, packet_id)) == wire.Grabbed("not_for_you")
        assert code(await t.open("bob", packet_id)) == "not_for_you"
        assert (await t.open("chen", packet_id)).cents == 500


async def test_promises_lapse_and_are_few(autojump_clock: Any) -> None:
    async with table() as t:
        first = await t.prepare(100, 1)
        second, *_, last = [await t.prepare(100, 1) for _ in range(packets.MAX_PREPARED)]
        answer = await t["ann"].ask(wire.SendPacket(t.new_id(), t.group_id, first.packet_id, SEED))
        assert code(answer) == "packet_unknown", "the oldest gave way"
        answer = await t["ann"].ask(wire.SendPacket(t.new_id(), t.group_id, second.packet_id, SEED))
        assert isinstance(answer, wire.PacketSent)
        t.server.clock.jump_ms += 10 * 60_000
        answer = await t["ann"].ask(wire.SendPacket(t.new_id(), t.group_id, last.packet_id, SEED))
        assert code(answer) in ("prepared_lapsed", "packet_unknown")
        assert isinstance(await t.prepare(100, 1), wire.PacketPrepared)
        assert await t.balance("ann") == 9_900


async def test_refused_sends_leave_nothing_behind_and_speak_to_people(autojump_clock: Any) -> None:
    async with table() as t:
        for _ in range(3 * packets.MAX_PREPARED):
            prepared = await t.prepare(10_001, 1)
            refused = await t["ann"].ask(wire.SendPacket(t.new_id(), t.group_id, prepared.packet_id, SEED))
            assert refused.code == "insufficient_funds"
            assert refused.message == "the wallet holds 100.00, and 100.01 is needed"
            assert code(await t["ann"].ask(wire.SendPacket(t.new_id(), t.group_id, prepared.packet_id, SEED))) == (
                "packet_unknown"
            )
        # Somebody else's refusal ends no promise of mine.
        mine = await t.prepare(100, 1)
        assert code(await t["bob"].ask(wire.SendPacket(t.new_id(), t.group_id, mine.packet_id, SEED))) == (
            "packet_unknown"
        )
        assert isinstance(
            await t["ann"].ask(wire.SendPacket(t.new_id(), t.group_id, mine.packet_id, SEED)), wire.PacketSent
        )
        rows = await t.server.server.services.storage.read(
            lambda conn: conn.execute("select count(*) from redpack_prepared").fetchone()
        )
        assert rows == (0,)


@pytest.mark.parametrize("jump_ms", [24 * 3_600_000, 30 * 24 * 3_600_000])
async def test_expiry_refunds_once_wherever_the_clock_jumps(autojump_clock: Any, jump_ms: int) -> None:
    async with table() as t:
        packet_id = await t.send(1000, 4)
        share = await t.open("bob", packet_id)
        t.server.clock.jump_ms += jump_ms
        assert code(await t.open("chen", packet_id)) == "expired"
        await trio.sleep(31)  # the task looks at the wall clock at least this often
        expired = await t["emil"].hear(wire.PacketExpired)
        assert (expired.refunded, expired.left) == (1000 - share.cents, 3)
        assert await t.balance("ann") == 10_000 - share.cents
        t.server.clock.jump_ms -= 2 * jump_ms
        await trio.sleep(20)
        t.server.clock.jump_ms += 3 * jump_ms
        await trio.sleep(20)
        assert await t.balance("ann") == 10_000 - share.cents
        lines = (await t["ann"].ask(wire.ShowStatement())).lines
        assert [line.kind for line in lines] == ["refund", "send", "grant"]
        assert sum(line.cents for line in lines) == 10_000 - share.cents


async def test_a_statement_comes_in_pages(autojump_clock: Any) -> None:
    async with table() as t:
        for _ in range(3):
            await t.send(100, 1)
        first = await t["ann"].ask(wire.ShowStatement(limit=3))
        assert first.more
        rest = await t["ann"].ask(wire.ShowStatement(before=first.lines[-1].transfer_id, limit=3))
        assert not rest.more
        assert [line.cents for line in (*first.lines, *rest.lines)] == [-100, -100, -100, 10_000]


async def test_a_burst_is_a_handful_of_transactions(autojump_clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with table() as t:
        services = t.server.server.services
        crowd = await people_of(services, [f"u{n}" for n in range(120)])
        await t["ann"].ask(AddMembers(t.new_id(), t.group_id, tuple(person.user_id for person in crowd)))
        packet_id = await t.send(1000, 100)
        for person in crowd:
            await person.connect(t.server.dial)
        commits: list[int] = []
        write = services.storage.write

        async def counted(job: Any) -> Any:
            commits.append(1)
            return await write(job)

        monkeypatch.setattr(services.storage, "write", counted)
        answers: list[Any] = []

        async def open_one(person: Someone) -> None:
            answers.append(await person.ask(wire.OpenPacket(t.new_id(), t.group_id, packet_id)))

        async with trio.open_nursery() as nursery:
            for person in crowd:
                nursery.start_soon(open_one, person)
        shares = [answer for answer in answers if isinstance(answer, wire.PacketShare)]
        assert len(shares) == 100
        assert sum(share.cents for share in shares) == 1000
        assert {code(answer) for answer in answers if not isinstance(answer, wire.PacketShare)} == {"exhausted"}
        assert len(commits) < 20
        listed = await crowd[0].ask(ListGroups())
        assert listed.groups[0].ordinal == 1, "openings are nothing to read"


async def test_a_retry_of_an_opening_is_answered_after_one_is_out(autojump_clock: Any) -> None:
    async with table() as t:
        packet_id = await t.send(1000, 4)
        opening = wire.OpenPacket(t.new_id(), t.group_id, packet_id)
        share = await t["bob"].ask(opening)
        await t["ann"].ask(RemoveMember(t.new_id(), t.group_id, t["bob"].user_id))
        assert await t["bob"].ask(opening) == share
        assert code(await t.open("bob", packet_id)) == "group_unknown"


async def test_who_came_later_and_may_not_read_back_gets_nothing_of_what_was_there(autojump_clock: Any) -> None:
    async with table() as t:
        made = await t["ann"].ask(MakeGroup(t.new_id(), "private", (t["bob"].user_id,), history=False))
        t.group_id = made.group_id
        before = await t.send(1000, 4)
        await t["ann"].ask(AddMembers(t.new_id(), t.group_id, (t["chen"].user_id,)))
        for ask in (
            wire.GrabPacket(t.group_id, before),
            wire.OpenPacket(t.new_id(), t.group_id, before),
            wire.ShowPacket(before),
        ):
            assert code(await t["chen"].ask(ask)) == "packet_unknown"
        after = await t.send(1000, 4)
        assert isinstance(await t.open("chen", after), wire.PacketShare)
        assert isinstance(await t.open("bob", before), wire.PacketShare)


async def test_hidden_amounts_do_not_follow_from_what_remains(autojump_clock: Any) -> None:
    async with table(attrs.evolve(QUICK, redpack_show_amounts=False)) as t:
        packet_id = await t.send(1000, 3)
        await t.open("bob", packet_id)
        assert (await t["chen"].ask(wire.ShowPacket(packet_id))).remaining == 0
        for name in ("chen", "emil"):
            await t.open(name, packet_id)
        shown = await t["chen"].ask(wire.ShowPacket(packet_id))
        assert sum(opening.cents for opening in shown.openings) == 1000


async def test_a_packet_of_many_with_long_names_is_shown_in_pages(autojump_clock: Any) -> None:
    async with table() as t:
        storage, ids = t.server.server.services.storage, t.server.server.services.ids
        crowd = await people_of(t.server.server.services, [f"{n:03}" + "🧧" * 29 for n in range(490)])
        for at in range(0, len(crowd), 245):
            await t["ann"].ask(AddMembers(t.new_id(), t.group_id, tuple(p.user_id for p in crowd[at : at + 245])))
        packet_id = await t.send(1000, 490)
        commands = [
            openings.Open(Actor(p.user_id, p.name), Once(p.user_id, t.new_id(), b"h"), packet_id, show_cents=True)
            for p in crowd
        ]
        await storage.write(lambda conn: GroupTransaction(conn, t.group_id, t.server.clock.now_ms(), ids).run(commands))
        page = await t["bob"].ask(wire.ShowPacket(packet_id))
        found = page.openings
        while page.more:
            page = await t["bob"].ask(wire.ShowPacket(packet_id, len(found)))
            found += page.openings
        assert [opening.number for opening in found] == list(range(490))
        assert sum(opening.cents for opening in found) == 1000
        async with open_client(t.server.dial, token=t["chen"].token) as client:
            assert (await client.redpack.show(packet_id)).openings == found


async def test_a_retried_grant_tells_what_the_wallet_holds_now(autojump_clock: Any) -> None:
    async with table() as t:
        storage = t.server.server.services.storage
        await storage.write(lambda conn: accounts.set_operator(conn, "test", "dora", True, 1))
        grant = wire.GrantMoney(t.new_id(), "ann", 500)
        assert await t["dora"].ask(grant) == wire.Balance(10_500)
        assert (await t["ann"].hear(wire.WalletChanged)).cents == 10_500
        await t.send(300, 3)
        assert await t["dora"].ask(grant) == wire.Balance(10_500), "the first reply"
        assert (await t["ann"].hear(wire.WalletChanged)).cents == 10_200
