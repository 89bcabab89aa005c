"""Red packets and wallets: what changes a group goes through its channel, openings in runs."""

import contextlib

from chatsrv.bus import LocalBus, SharedFrames
from chatsrv.clock import Randomness
from chatsrv.commands.context import Deferred, DeferredReply, Request
from chatsrv.commands.paging import before_or_end, within
from chatsrv.commands.registry import handles
from chatsrv.commands.texts import check_command
from chatsrv.config import Config
from chatsrv.groups import Channels, Submission
from chatsrv.groups.by_name import by_name
from chatsrv.groups.wire import MODES, encode_share
from chatsrv_protocol import encode
from chatsrv_protocol import redpack as wire
from chatsrv_protocol.session import Person
from chatsrv_redpack import Mode, PacketLimits
from chatsrv_redpack.ledger import wallet
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal, StorageBusy, StorageFull
from chatsrv_storage.interface import SqlConnection, Storage
from chatsrv_storage.money import ledger, packets, payouts
from chatsrv_storage.money.openings import Open
from chatsrv_storage.replies import PaidShare, StoredPacket

OPENING_SIZE = 160
"""About what the event of an opening takes."""


def _limits(config: Config) -> PacketLimits:
    return PacketLimits(
        min_average=config.redpack_min_average,
        max_average=config.redpack_max_average,
        max_shares=config.redpack_max_shares,
        packet_ms=round(config.redpack_hours * 3_600_000),
    )


@handles
async def prepare_packet(
    request: Request, command: wire.PreparePacket, *, config: Config, ids: Snowflake, randomness: Randomness
) -> wire.PacketPrepared:
    """Fix the seed of a packet and return the commitment."""
    mode = Mode(wire.MODE_NAMES[command.mode])
    if mode is Mode.LUCKY:
        mode = Mode(config.redpack_split)
    script = packets.prepare_packet(
        command.total,
        command.count,
        mode,
        command.receiver_id or None,
        ids.next(request.now_ms),
        randomness.bytes(32),
        _limits(config),
    )
    prepared = await request.change(command.group_id, command, script)
    return wire.PacketPrepared(prepared.packet_id, bytes.fromhex(prepared.commitment), prepared.lapses_at)


@handles
async def send_packet(
    request: Request, command: wire.SendPacket, *, config: Config, storage: Storage
) -> wire.PacketSent:
    """Pay and publish. A refused send deletes the preparation too."""
    script = packets.send_packet(command.packet_id, command.client_seed, command.greeting, _limits(config))
    try:
        await check_command(request, command)
        return _sent_of(await request.change(command.group_id, command, script))
    except (StorageFull, StorageBusy):
        raise  # nothing was decided about the packet: the same command succeeds once there is room
    except Refusal:
        user_id = request.caller.actor.user_id
        # Where this write is refused too, the preparation lapses by itself.
        with contextlib.suppress(Refusal):
            await storage.write(lambda conn: packets.drop_prepared(conn, user_id, command.packet_id))
        raise


@handles
async def grab_packet(request: Request, command: wire.GrabPacket) -> wire.Grabbed:
    """Return whether the caller may open a packet and a share is left."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    return wire.Grabbed(
        *await request.read(
            lambda conn: packets.grab_packet(conn, user_id, command.group_id, command.packet_id, now_ms)
        )
    )


_sent_of = by_name(StoredPacket, wire.PacketSent)
_line_of = by_name(ledger.WalletTransfer, wire.StatementLine)


@handles
async def open_packet(
    request: Request, command: wire.OpenPacket, *, config: Config, channels: Channels
) -> Deferred[wire.PacketShare]:
    """Queue an opening. The reply comes from the channel."""
    caller = request.caller
    done: DeferredReply[PaidShare, wire.PacketShare] = DeferredReply(request, command, PaidShare, encode_share)
    opening = Open(caller.actor, request.once(command), command.packet_id, config.redpack_show_amounts)
    await channels.submit(command.group_id, Submission(opening, OPENING_SIZE, done))
    return done


@handles
async def show_packet(request: Request, command: wire.ShowPacket, *, config: Config) -> wire.PacketShown:
    """Return a packet with a page of its openings; others' amounts only where the server shows them or the packet is over."""
    user_id = request.caller.actor.user_id
    view = await request.read(lambda conn: packets.show(conn, user_id, command.packet_id))
    packet = view.packet
    over = packet.state.value != "live"
    show_all = config.redpack_show_amounts or over
    openings = [
        wire.Opening(
            one.number, one.user_id, one.name, one.cents if show_all or one.user_id == user_id else 0, one.opened_at
        )
        for one in view.openings[command.after :]
    ]
    page = within(openings, lambda opening: (opening.name,))
    return wire.PacketShown(
        packet_id=packet.packet_id,
        group_id=view.group_id,
        seq=view.seq,
        sender=Person(*view.sender),
        greeting=view.greeting,
        total=packet.total,
        count=packet.count,
        mode=MODES[packet.mode.value],
        receiver_id=packet.receiver_id or 0,
        state=packet.state.value,
        remaining=packet.remaining_cents if show_all else 0,
        refunded=packet.refunded_cents,
        sent_at=packet.sent_ms,
        expires_at=packet.expires_ms,
        commitment=packet.commitment,
        client_seed=packet.client_seed,
        server_seed=packet.server_seed if over else b"",
        luckiest=view.luckiest,
        openings=page,
        more=len(page) < len(openings),
    )


@handles
async def show_balance(request: Request, command: wire.ShowBalance) -> wire.Balance:
    """Return the caller's balance."""
    del command
    account = wallet(request.caller.actor.user_id)
    return wire.Balance(await request.read(lambda conn: ledger.balance_of(conn, account)))


@handles
async def show_statement(request: Request, command: wire.ShowStatement) -> wire.Statement:
    """Return a page of the caller's transfers."""
    user_id = request.caller.actor.user_id
    lines, cents = await request.read(
        lambda conn: (
            ledger.statement(conn, user_id, before_or_end(command.before), command.limit + 1),
            ledger.balance_of(conn, wallet(user_id)),
        )
    )
    page = tuple(map(_line_of, lines[: command.limit]))
    return wire.Statement(page, len(lines) > command.limit, cents)


@handles
async def grant_money(
    request: Request, command: wire.GrantMoney, *, ids: Snowflake, storage: Storage, bus: LocalBus
) -> wire.Balance:
    """Add cents to a user's wallet, for an operator."""
    once, now_ms = request.once(command), request.now_ms
    operator_id = request.caller.actor.user_id

    def grant(conn: SqlConnection) -> tuple[int, int, int]:
        user_id, cents = payouts.grant_money(conn, once, operator_id, command.name, command.cents, ids, now_ms)
        return user_id, cents, ledger.balance_of(conn, wallet(user_id))

    user_id, cents, now_held = await storage.write(grant)
    bus.publish_to_user(
        user_id, SharedFrames(encode(wire.WalletChanged(now_held)), 1)
    )  # `cents` is the first try's, in a retry
    return wire.Balance(cents)


@handles
async def withdraw(request: Request, command: wire.Withdraw, *, storage: Storage, ids: Snowflake) -> wire.Withdrawn:
    """Put money into the payment provider's outbox."""
    once, now_ms = request.once(command), request.now_ms
    user_id = request.caller.actor.user_id
    return wire.Withdrawn(
        *await storage.write(lambda conn: payouts.withdraw_money(conn, once, user_id, command.cents, ids, now_ms))
    )
