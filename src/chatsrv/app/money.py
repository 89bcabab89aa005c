"""The two tasks that move money without being asked: packets that expire, and payouts from the outbox.

Both read what is due from the database each time, so a restart or a jump of the wall clock delays or hastens them and
changes nothing else; each step is a transaction that happens once.
"""

from collections.abc import Callable
from typing import Final

import trio

from chatsrv.bus import Blob
from chatsrv.commands.context import Services
from chatsrv.payments import Answer, PaymentProvider
from chatsrv_protocol import encode
from chatsrv_protocol.redpack import WalletChanged
from chatsrv_storage import packets, payouts
from chatsrv_storage.errors import Refusal
from chatsrv_storage.payouts import Payout
from chatsrv_storage.port import Connection
from chatsrv_storage.records import Actor
from chatsrv_storage.turn import Command

LONGEST_WAIT: Final = 30.0
"""Seconds after which the wall clock is looked at again, wherever it jumped meanwhile."""

AT_ONCE: Final = 100
PAY_TIMEOUT: Final = 30.0
FIRST_RETRY_MS: Final = 5_000
LAST_RETRY_MS: Final = 3_600_000
"""Payouts are tried again after 5 s, 10 s, … up to an hour."""


async def expire_packets(services: Services) -> None:
    """Give back what nobody opened in time, forever."""
    while True:
        await _expire_due(services, services.clock.now_ms())
        upcoming = await services.storage.read(packets.next_due)
        wait = LONGEST_WAIT if upcoming is None else (upcoming - services.clock.now_ms()) / 1000
        await trio.sleep(min(max(wait, 0.05), LONGEST_WAIT))


async def _expire_due(services: Services, now_ms: int) -> None:
    """Through the group's channel, like every change of its sequence."""
    for packet_id, group_id, sender_id, name in await services.storage.read(
        lambda conn: packets.due(conn, now_ms, AT_ONCE)
    ):
        command = Command(Actor(sender_id, name), None, packets.expire_packet(packet_id))
        try:
            await services.channels.run(group_id, command)
        except Refusal as refused:
            services.log.warning("a packet could not be refunded yet", packet_id=packet_id, reason=refused.message)
    await _quietly(services, lambda conn: packets.drop_lapsed(conn, now_ms))


async def _quietly(services: Services, job: Callable[[Connection], None]) -> None:
    try:
        await services.storage.write(job)
    except Refusal as refused:
        services.log.warning("housekeeping waits", reason=refused.message)


async def pay_out(services: Services, provider: PaymentProvider) -> None:
    """Ask the provider about payouts that are due, forever, one at a time."""
    while True:
        for payout in await _due(services, services.clock.now_ms()):
            answer = Answer.LATER
            with trio.move_on_after(PAY_TIMEOUT):
                answer = await provider.pay(payout)
            await _book(services, payout, answer)
        await trio.sleep(1.0)


async def _due(services: Services, now_ms: int) -> list[Payout]:
    return await services.storage.read(lambda conn: payouts.due(conn, now_ms, AT_ONCE))


async def _book(services: Services, payout: Payout, answer: Answer) -> None:
    """Store what the provider said. Until it is stored the provider is asked again, with the same id."""
    now_ms = services.clock.now_ms()
    if answer is Answer.LATER:
        wait = min(FIRST_RETRY_MS << min(payout.attempts, 20), LAST_RETRY_MS)
        await _quietly(services, lambda conn: payouts.try_later(conn, payout.withdrawal_id, now_ms + wait))
        return

    def conclude(conn: Connection) -> int | None:
        return payouts.conclude(conn, payout.withdrawal_id, services.ids, now_ms, paid=answer is Answer.PAID)

    try:
        balance = await services.storage.write(conclude)
    except Refusal as refused:
        services.log.warning("a payout could not be booked", withdrawal_id=payout.withdrawal_id, reason=refused.message)
        return
    if balance is not None:
        services.bus.tell(payout.user_id, Blob(encode(WalletChanged(balance)), 1))
