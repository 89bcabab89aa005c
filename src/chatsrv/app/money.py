"""The two tasks that move money without being asked: packets that expire, and payouts from the outbox.

Both read what is due from the database each time, so a restart or a jump of the wall clock delays or hastens them and
changes nothing else; each step is a transaction that happens once.
"""

from collections.abc import Callable
from typing import Final

import trio

from chatsrv.bus import SharedFrames
from chatsrv.commands.context import Services
from chatsrv.payments import PaymentProvider, PayoutResult
from chatsrv_protocol import encode
from chatsrv_protocol.redpack import WalletChanged
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import Command
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.money import packets, payouts
from chatsrv_storage.money.payouts import Payout

LONGEST_WAIT: Final = 30.0
"""Seconds after which the wall clock is looked at again, wherever it jumped meanwhile."""

MAX_PACKETS_PER_SWEEP: Final = 100
PAY_TIMEOUT: Final = 30.0
FIRST_RETRY_MS: Final = 5_000
LAST_RETRY_MS: Final = 3_600_000
"""Payouts are tried again after 5 s, 10 s, … up to an hour."""

CLAIM_MS: Final = 2 * round(PAY_TIMEOUT * 1_000)
"""For so long a payout is one node's, which asks the provider about it."""


async def expire_packets(services: Services) -> None:
    """Give back what nobody opened in time, forever."""
    while True:
        wait = LONGEST_WAIT
        try:
            wait = await _expire_due(services)
        except Refusal as refused:
            services.log.warning("packets cannot be looked through now", reason=refused.message)
        await trio.sleep(wait)


async def _expire_due(services: Services) -> float:
    """Refund all that is due, through the group's channel like every change of its sequence; seconds until the next round.

    A packet that cannot be refunded waits for a later round, holds up no other, and is logged once a round.
    """
    now_ms = services.clock.now_ms()
    stuck = False
    after = (0, 0)
    while page := await services.storage.read(
        lambda conn, last=after: packets.due(conn, now_ms, last, MAX_PACKETS_PER_SWEEP)
    ):
        for packet in page:
            if services.cluster is None or services.cluster.has_duty(packet.group_id):
                stuck = not await _expire(services, packet) or stuck
        after = page[-1].expires_at, page[-1].packet_id
    await _quietly(services, lambda conn: packets.drop_lapsed(conn, now_ms))
    upcoming = await services.storage.read(lambda conn: packets.next_due(conn, now_ms))
    if stuck or upcoming is None:
        return LONGEST_WAIT
    return min(max((upcoming - services.clock.now_ms()) / 1000, 0.05), LONGEST_WAIT)


async def _expire(services: Services, packet: packets.Due) -> bool:
    """Refund one packet; False if that is not possible now. Who is out of the group hears of it from nowhere else."""
    command = Command(Actor(packet.sender_id, packet.sender), None, packets.expire_packet(packet.packet_id))
    try:
        expired = await services.channels.run(packet.group_id, command)
    except Refusal as refused:
        services.log.warning("a packet could not be refunded yet", packet_id=packet.packet_id, reason=refused.message)
        return False
    if expired.balance is not None and not services.bus.hears(packet.sender_id, packet.group_id):
        services.bus.publish_to_user(packet.sender_id, SharedFrames(encode(WalletChanged(expired.balance)), 1))
    return True


async def _quietly(services: Services, job: Callable[[SqlConnection], None]) -> bool:
    """Whether the job was stored; what keeps it from being stored is logged."""
    try:
        await services.storage.write(job)
    except Refusal as refused:
        services.log.warning("housekeeping waits", reason=refused.message)
        return False
    return True


async def pay_out(services: Services, provider: PaymentProvider) -> None:
    """Ask the provider about payouts that are due, forever, one at a time."""
    while True:
        booked = False
        try:
            booked = await _pay_due(services, provider)
        except Refusal as refused:
            services.log.warning("payouts cannot be looked through now", reason=refused.message)
        # What could not be booked is still due: the provider must not be asked about it every second.
        await trio.sleep(1.0 if booked else LONGEST_WAIT)


async def _pay_due(services: Services, provider: PaymentProvider) -> bool:
    """Ask about each payout that is due; whether every answer was stored."""
    now_ms = services.clock.now_ms()
    all_booked = True
    for payout in await services.storage.read(
        lambda conn: payouts.due(conn, now_ms, MAX_PACKETS_PER_SWEEP, LAST_RETRY_MS)
    ):
        if not await _claim(services, payout):
            continue
        answer = PayoutResult.LATER
        with trio.move_on_after(PAY_TIMEOUT) as asking:
            answer = await provider.pay(payout)
        if asking.cancelled_caught:
            services.log.warning("the payment provider did not answer in time", withdrawal_id=payout.withdrawal_id)
        all_booked = await _book(services, payout, answer) and all_booked
    return all_booked


async def _claim(services: Services, payout: Payout) -> bool:
    """Whether this node is the one that asks about a payout; another may, where this one dies, when CLAIM_MS are over."""
    until_ms = services.clock.now_ms() + CLAIM_MS
    try:
        return await services.storage.write(lambda conn: payouts.claim(conn, payout, until_ms))
    except Refusal as refused:
        services.log.warning("housekeeping waits", reason=refused.message)
        return False


async def _book(services: Services, payout: Payout, answer: PayoutResult) -> bool:
    """Store what the provider said, and whether that was possible. Until then the provider is asked again, with the same id."""
    if answer is PayoutResult.LATER:
        return await _later(services, payout)
    now_ms = services.clock.now_ms()

    def conclude(conn: SqlConnection) -> int | None:
        return payouts.conclude(conn, payout.withdrawal_id, services.ids, now_ms, paid=answer is PayoutResult.PAID)

    try:
        balance = await services.storage.write(conclude)
    except Refusal as refused:
        services.log.warning("a payout could not be booked", withdrawal_id=payout.withdrawal_id, reason=refused.message)
        return await _later(services, payout)
    if balance is not None:
        services.bus.publish_to_user(payout.user_id, SharedFrames(encode(WalletChanged(balance)), 1))
    return True


async def _later(services: Services, payout: Payout) -> bool:
    at_ms = services.clock.now_ms() + min(FIRST_RETRY_MS << min(payout.attempts, 20), LAST_RETRY_MS)
    return await _quietly(services, lambda conn: payouts.try_later(conn, payout.withdrawal_id, at_ms))
