"""The tasks that move money by themselves: refunds across restarts, and payouts through a provider that fails first."""

from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from support.money_kit import client_ids, log_of, people_of, problems

from chatsrv.app import money
from chatsrv.app.money import pay_out
from chatsrv.clock import VirtualClock
from chatsrv.payments import PayoutResult
from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol import redpack as wire
from chatsrv_protocol.groups import LeaveGroup, MakeGroup
from chatsrv_storage.errors import Refusal, StorageFull
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.money import payouts
from chatsrv_storage.money.payouts import Payout


async def test_a_packet_that_expired_while_the_server_was_down_is_refunded_once(
    autojump_clock: Any, tmp_path: Path
) -> None:
    config, clock = attrs.evolve(QUICK, data=tmp_path), VirtualClock()
    async with open_test_server(config, clock=clock) as server:
        (ann,) = await people_of(server.server.services, ["ann"], 500)
        await ann.connect(server.dial)
        new_id = client_ids(clock.now_ms)
        made = await ann.ask(MakeGroup(new_id(), "alone"))
        prepared = await ann.ask(wire.PreparePacket(new_id(), made.group_id, 500, 5))
        await ann.ask(wire.SendPacket(new_id(), made.group_id, prepared.packet_id, b"\0" * 32))
    clock.jump_ms += 25 * 3_600_000
    for _ in range(2):
        async with open_test_server(config, clock=clock) as server:
            await ann.connect(server.dial)
            await trio.sleep(1)
            assert await ann.ask(wire.ShowBalance()) == wire.Balance(500)
            shown = await ann.ask(wire.ShowPacket(prepared.packet_id))
            assert (shown.state, shown.refunded, shown.remaining) == ("expired", 500, 0)
            assert len((await ann.ask(wire.ShowStatement())).lines) == 3
            assert await server.server.services.storage.read(problems) == []


@attrs.define
class MoodyProvider:
    """Answers later twice, then what it was told; hangs once."""

    final: PayoutResult
    asked: list[int] = attrs.field(factory=list)

    async def pay(self, payout: Payout) -> PayoutResult:
        self.asked.append(payout.withdrawal_id)
        if len(self.asked) == 1:
            await trio.sleep_forever()
        return PayoutResult.LATER if len(self.asked) < 3 else self.final


async def _withdraw(final: PayoutResult) -> tuple[int, list[int]]:
    provider = MoodyProvider(final)
    async with open_test_server() as server, trio.open_nursery() as nursery:
        (ann,) = await people_of(server.server.services, ["ann"], 500)
        await ann.connect(server.dial)
        nursery.start_soon(pay_out, server.server.services, provider)
        answer = await ann.ask(wire.Withdraw(client_ids(server.clock.now_ms)(), 200))
        assert answer.cents == 300
        changed = await ann.hear(wire.WalletChanged)
        assert await server.server.services.storage.read(problems) == []
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
        return changed.cents, provider.asked
    raise AssertionError


async def test_a_payout_is_asked_for_until_it_is_settled(autojump_clock: Any) -> None:
    cents, asked = await _withdraw(PayoutResult.PAID)
    assert cents == 300
    assert len(asked) == 3
    assert len(set(asked)) == 1


async def test_a_payout_that_is_refused_comes_back(autojump_clock: Any) -> None:
    cents, asked = await _withdraw(PayoutResult.REFUSED)
    assert cents == 500
    assert len(asked) == 3


async def test_packets_that_cannot_be_refunded_hold_up_no_others_and_do_not_fill_the_log(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(money, "MAX_PACKETS_PER_SWEEP", 2)
    lines: list[Any] = []
    async with open_test_server(log=log_of(lines)) as server:
        storage, new_id = server.server.services.storage, client_ids(server.clock.now_ms)
        (ann,) = await people_of(server.server.services, ["ann"], 500)
        await ann.connect(server.dial)
        made = await ann.ask(MakeGroup(new_id(), "alone"))
        packet_ids: list[int] = []
        for _ in range(5):
            prepared = await ann.ask(wire.PreparePacket(new_id(), made.group_id, 100, 5))
            await ann.ask(wire.SendPacket(new_id(), made.group_id, prepared.packet_id, b"\0" * 32))
            packet_ids.append(prepared.packet_id)

        def damage(conn: SqlConnection) -> None:
            conn.executemany(
                "update redpack set remaining_cents = 1 where id = ?", [(each,) for each in packet_ids[:4]]
            )

        await storage.write(damage)
        await trio.sleep(24 * 3600 + 600)
        await ann.connect(server.dial)
        assert (await ann.ask(wire.ShowBalance())).cents == 100
        failures = [line for line in lines if line["event"] == "a packet could not be refunded yet"]
        assert {line["packet_id"] for line in failures} == set(packet_ids[:4])
        assert len(failures) <= 4 * (600 / money.LONGEST_WAIT + 2)


async def test_a_refund_is_told_to_a_sender_who_is_out_of_the_group(autojump_clock: Any) -> None:
    async with open_test_server() as server:
        new_id = client_ids(server.clock.now_ms)
        ann, bob = await people_of(server.server.services, ["ann", "bob"], 500)
        await ann.connect(server.dial)
        await bob.connect(server.dial)
        made = await bob.ask(MakeGroup(new_id(), "two", (ann.user_id,)))
        prepared = await ann.ask(wire.PreparePacket(new_id(), made.group_id, 100, 5))
        await ann.ask(wire.SendPacket(new_id(), made.group_id, prepared.packet_id, b"\0" * 32))
        await ann.ask(LeaveGroup(new_id(), made.group_id))
        await ann.close()
        await bob.close()
        await trio.sleep(24 * 3600 - 10)
        await ann.connect(server.dial)
        assert (await ann.hear(wire.WalletChanged)).cents == 500


@pytest.mark.parametrize("method", ["read", "write"])
async def test_a_full_or_busy_storage_neither_ends_the_server_nor_has_a_provider_asked_all_the_time(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    provider = MoodyProvider(PayoutResult.PAID)
    async with open_test_server() as server, trio.open_nursery() as nursery:
        services = server.server.services
        (ann,) = await people_of(services, ["ann"], 500)
        await ann.connect(server.dial)
        await ann.ask(wire.Withdraw(client_ids(server.clock.now_ms)(), 200))
        nursery.start_soon(pay_out, services, provider)

        async def refuse(_job: Any) -> Any:
            await trio.lowlevel.checkpoint()
            raise StorageFull

        with monkeypatch.context() as broken:
            broken.setattr(services.storage, method, refuse)
            await trio.sleep(600)
        assert len(provider.asked) <= 600 / money.LONGEST_WAIT + 1
        await trio.sleep(120)
        await ann.connect(server.dial)
        assert len(provider.asked) >= 3
        assert (await ann.ask(wire.ShowBalance())).cents == 300
        assert await services.storage.read(problems) == []
        nursery.cancel_scope.cancel()


async def test_a_payout_whose_booking_is_refused_waits_like_one_without_an_answer(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = MoodyProvider(PayoutResult.REFUSED)
    async with open_test_server() as server, trio.open_nursery() as nursery:
        services = server.server.services
        (ann,) = await people_of(services, ["ann"], 500)
        await ann.connect(server.dial)
        await ann.ask(wire.Withdraw(client_ids(server.clock.now_ms)(), 200))

        def refuse(*_args: Any, **_kwargs: Any) -> Any:
            raise Refusal("balance_too_large", "full to the brim")

        with monkeypatch.context() as full:
            full.setattr(payouts, "conclude", refuse)
            nursery.start_soon(pay_out, services, provider)
            await trio.sleep(3600)
        assert len(provider.asked) < 15
        nursery.cancel_scope.cancel()


async def test_a_clock_that_was_ahead_puts_no_payout_off_for_long(autojump_clock: Any) -> None:
    provider = MoodyProvider(PayoutResult.PAID)
    async with open_test_server() as server, trio.open_nursery() as nursery:
        (ann,) = await people_of(server.server.services, ["ann"], 500)
        await ann.connect(server.dial)
        await ann.ask(wire.Withdraw(client_ids(server.clock.now_ms)(), 200))
        server.clock.jump_ms = 365 * 24 * 3_600_000
        nursery.start_soon(pay_out, server.server.services, provider)
        await trio.sleep(32)
        server.clock.jump_ms = 0
        await trio.sleep(60)
        assert len(provider.asked) == 3
        assert await server.server.services.storage.read(lambda conn: payouts.due(conn, 2**52, 1, 1)) == []
        nursery.cancel_scope.cancel()
