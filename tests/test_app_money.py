"""The tasks that move money by themselves: refunds across restarts, and payouts through a provider that fails first."""

from pathlib import Path
from typing import Any

import attrs
import trio
from money_kit import client_ids, people_of, problems

from chatsrv.app.money import pay_out
from chatsrv.clock import VirtualClock
from chatsrv.payments import Answer
from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol import redpack as wire
from chatsrv_protocol.groups import MakeGroup
from chatsrv_storage.payouts import Payout


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

    final: Answer
    asked: list[int] = attrs.field(factory=list)

    async def pay(self, payout: Payout) -> Answer:
        self.asked.append(payout.withdrawal_id)
        if len(self.asked) == 1:
            await trio.sleep_forever()
        return Answer.LATER if len(self.asked) < 3 else self.final


async def _withdraw(final: Answer) -> tuple[int, list[int]]:
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
    cents, asked = await _withdraw(Answer.PAID)
    assert cents == 300
    assert len(asked) == 3
    assert len(set(asked)) == 1


async def test_a_payout_that_is_refused_comes_back(autojump_clock: Any) -> None:
    cents, asked = await _withdraw(Answer.REFUSED)
    assert cents == 500
    assert len(asked) == 3
