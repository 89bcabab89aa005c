"""Red packets in the database: prepared, sent with their message, opened in runs, expired; each in one transaction.

The draws, the states and the transfers are chatsrv_redpack's. What is checked here is what only the database knows:
who is in the group, what is in the wallet, and who had a share already.
"""

from collections.abc import Sequence
from dataclasses import astuple, fields
from enum import Enum
from typing import Final

import attrs

from chatsrv_redpack import (
    InvalidError,
    Mode,
    Packet,
    PacketLimits,
    PacketState,
    Prepared,
    RedpackError,
    RefusedError,
    ShareRecord,
    expire,
    grab,
    luckiest,
    prepare,
    send,
)
from chatsrv_redpack.ledger import escrow, wallet
from chatsrv_storage.accounts.accounts import names_of
from chatsrv_storage.accounts.profiles import require_not_blocked
from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.engine.bulk_sql import execute_rows, marks, query_rows, select_in
from chatsrv_storage.engine.jobs import JsonRow, Row, SqlValue
from chatsrv_storage.engine.shared import lock_people
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.membership import require_enabled
from chatsrv_storage.groups.models import Actor, EventData
from chatsrv_storage.groups.permissions import Operation, require_reader
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.money import ledger
from chatsrv_storage.replies import ExpiredPacket, PacketCommitment, StoredPacket

MAX_PREPARED: Final = 5
"""Packets of one user that are prepared and not sent. One more, and the oldest of them can be sent no longer."""

_CALLED: Final = {"packet_id": "id", "sent_ms": "sent_at", "expires_ms": "expires_at", "lapses_ms": "lapses_at"}
"""Columns that are not called as the library's fields."""

_PACKET: Final = {field.name: _CALLED.get(field.name, field.name) for field in fields(Packet)}
_PREPARED: Final = {field.name: _CALLED.get(field.name, field.name) for field in fields(Prepared)}
"""The column of each field."""

_MODE: Final = list(_PACKET).index("mode")
_STATE: Final = list(_PACKET).index("state")

_MODES: Final = {mode.value: mode for mode in Mode}
_STATES: Final = {state.value: state for state in PacketState}
"""By what the columns hold: calling the class takes several times as long. What is in neither no packet can have."""

_SELECT_PACKET: Final = f"select {', '.join(_PACKET.values())}, seq, group_id, greeting from redpack"
_SELECT_PREPARED: Final = f"select {', '.join(_PREPARED.values())} from redpack_prepared"
_PACKET_VALUES: Final = f"({', '.join(_PACKET.values())}, seq, group_id, greeting) values ({marks(len(_PACKET) + 3)})"
_PREPARED_VALUES: Final = f"({', '.join(_PREPARED.values())}, group_id) values ({marks(len(_PREPARED) + 1)})"


def refused_by(error: RedpackError) -> Refusal:
    """Return what the library refuses, as the wire says it; state that contradicts itself is the server's own fault."""
    if isinstance(error, (RefusedError, InvalidError)):
        return Refusal(error.code, error.message, error.field)
    return _damaged(error)


def _damaged(error: RedpackError) -> Refusal:
    return Refusal(
        "internal", f"this packet's rows contradict each other, and nothing is paid from it: {error.message}"
    )


def unknown() -> Refusal:
    """Return what everybody hears who may not see a packet, whether it exists or not."""
    return Refusal("packet_unknown", "there is no such packet in this group", "packet_id")


def load(conn: SqlConnection, group_id: int, packet_id: int) -> tuple[Packet, int, str]:
    """(the packet, the seq of its message, its greeting) of a packet of this group. Raises Refusal, for damaged rows too."""
    row = conn.execute(f"{_SELECT_PACKET} where id = ? and group_id = ?", (packet_id, group_id)).fetchone()
    if row is None:
        raise unknown()
    *values, seq, _, greeting = row
    return _packet_of(values), seq, greeting


def load_all(conn: SqlConnection, group_id: int, packet_ids: Sequence[int]) -> dict[int, tuple[Packet, int] | Refusal]:
    """(the packet, the seq of its message) of packets of this group by id; why nothing is to be had of the damaged."""
    found: dict[int, tuple[Packet, int] | Refusal] = {}
    for row in select_in(conn, f"{_SELECT_PACKET} where id in", packet_ids):
        packet_id, seq, its_group = row[0], row[-3], row[-2]
        if its_group == group_id:
            try:
                found[packet_id] = _packet_of(row[:-3]), seq
            except Refusal as damaged:
                found[packet_id] = damaged
    return found


def _packet_of(row: Row | JsonRow) -> Packet:
    """Return the packet of _PACKET's columns. Raises Refusal where they contradict each other."""
    values = list(row)
    values[_MODE] = _MODES.get(values[_MODE])
    values[_STATE] = _STATES.get(values[_STATE])
    try:
        return Packet(*values)
    except RedpackError as error:  # even where it says that a value is invalid: it was valid when it was stored
        raise _damaged(error) from None


def _values(made: Packet | Prepared) -> list[SqlValue]:
    """Return the values of its columns, in the order of its fields."""
    return [value.value if isinstance(value, Enum) else value for value in astuple(made)]


def save_all(conn: SqlConnection, packets: Sequence[Packet]) -> None:
    """Write what changes in the life of packets; of those that are live not `state`, whose index stays as it is."""
    live = [each for each in packets if each.state is PacketState.LIVE]
    execute_rows(
        conn, "update redpack set next_draw = v.column2, remaining_cents = v.column3, remaining_count = v.column4 from (",
        [(each.packet_id, each.next_draw, each.remaining_cents, each.remaining_count) for each in live],
        ") v where redpack.id = v.column1",
    )  # fmt: skip
    over = [
        (each.packet_id, each.state.value, each.next_draw, each.remaining_cents, each.remaining_count, each.refunded_cents)
        for each in packets if each.state is not PacketState.LIVE
    ]  # fmt: skip
    execute_rows(
        conn, "update redpack set state = v.column2, next_draw = v.column3, remaining_cents = v.column4,"
        " remaining_count = v.column5, refunded_cents = v.column6 from (", over, ") v where redpack.id = v.column1",
    )  # fmt: skip


def prepare_packet(
    total: int,
    count: int,
    mode: Mode,
    receiver_id: int | None,
    packet_id: int,
    server_seed: bytes,
    limits: PacketLimits,
) -> Script[PacketCommitment]:
    """Store a promise. Replies PacketCommitment."""

    def script(turn: GroupTransaction, actor: Actor) -> PacketCommitment:
        turn.require(actor, Operation.SEND_PACKET)
        conn = turn.conn
        if receiver_id is not None:
            _require_receiver(turn, actor, receiver_id)
        try:
            prepared = prepare(
                packet_id=packet_id,
                sender_id=actor.user_id,
                total=total,
                count=count,
                mode=mode,
                server_seed=server_seed,
                now_ms=turn.now_ms,
                limits=limits,
                receiver_id=receiver_id,
            )
        except RedpackError as error:
            raise refused_by(error) from None
        lock_people(conn, [actor.user_id])  # how many they have prepared in other groups
        conn.execute(f"insert into redpack_prepared {_PREPARED_VALUES}", (*_values(prepared), turn.group_id))
        conn.execute(
            "delete from redpack_prepared where sender_id = ? and id not in"
            " (select id from redpack_prepared where sender_id = ? and lapses_at > ? order by id desc limit ?)",
            (actor.user_id, actor.user_id, turn.now_ms, MAX_PREPARED),
        )
        return PacketCommitment(packet_id, prepared.commitment.hex(), prepared.lapses_ms)

    return Script(PacketCommitment, script)


def _require_receiver(turn: GroupTransaction, actor: Actor, receiver_id: int) -> None:
    """Refuse a packet for somebody who is not in the group, does not want to hear from the sender, or is disabled."""
    if turn.member(receiver_id) is None:
        raise Refusal("not_member", "the one the packet is for is not in the group", "receiver_id")
    if receiver_id != actor.user_id:
        require_not_blocked(turn.conn, actor.user_id, receiver_id, "receiver_id")
        require_enabled(turn, (receiver_id,), "receiver_id")


def drop_prepared(conn: SqlConnection, sender_id: int, packet_id: int) -> None:
    """Delete a preparation of this sender, whose packet can be sent no longer; nothing where there is none."""
    conn.execute("delete from redpack_prepared where id = ? and sender_id = ?", (packet_id, sender_id))


def head_of(packet: Packet) -> EventData:
    """Return what the message of a packet says of it."""
    return {
        "id": packet.packet_id,
        "total": packet.total,
        "count": packet.count,
        "mode": packet.mode.value,
        "receiver": packet.receiver_id,
        "expires_at": packet.expires_ms,
        "commitment": packet.commitment.hex(),
        "client_seed": packet.client_seed.hex(),
    }


def send_packet(packet_id: int, client_seed: bytes, greeting: str, limits: PacketLimits) -> Script[StoredPacket]:
    """Pay for a prepared packet and write its message. Replies StoredPacket."""

    def script(turn: GroupTransaction, actor: Actor) -> StoredPacket:
        turn.require(actor, Operation.SEND_PACKET)
        conn = turn.conn
        row = conn.execute(
            f"{_SELECT_PREPARED} where id = ? and group_id = ? and sender_id = ?",
            (packet_id, turn.group_id, actor.user_id),
        ).fetchone()
        if row is None:
            raise unknown()
        try:
            values: EventData = dict(zip(_PREPARED, row, strict=True))
            values["mode"] = Mode(values["mode"])
            prepared = Prepared(**values)
            if prepared.receiver_id is not None:
                _require_receiver(turn, actor, prepared.receiver_id)
            settled = send(
                prepared,
                client_seed=client_seed,
                transfer_id=ledger.next_id(conn, turn.ids, turn.now_ms, wallet(actor.user_id), escrow(packet_id)),
                now_ms=turn.now_ms,
                limits=limits,
            )
        except RedpackError as error:
            raise refused_by(error) from None
        ledger.post(conn, settled.transfer)
        conn.execute("delete from redpack_prepared where id = ?", (packet_id,))
        packet = settled.packet
        record = turn.append(actor, "redpack", greeting, {"packet": head_of(packet)}, counts=True)
        conn.execute(f"insert into redpack {_PACKET_VALUES}", (*_values(packet), record.seq, turn.group_id, greeting))
        turn.count_own_message(actor.user_id)
        return StoredPacket(turn.group_id, record.seq, record.id, record.ordinal, record.sent_at, packet_id)

    return Script(StoredPacket, script)


def grab_packet(conn: SqlConnection, user_id: int, group_id: int, packet_id: int, now_ms: int) -> tuple[str, int]:
    """(whether there is something for this member, what they had). A read. Raises Refusal for a stranger."""
    _, member = require_reader(conn, user_id, group_id, operation=Operation.OPEN_PACKET)
    packet, seq, _ = load(conn, group_id, packet_id)
    if seq <= member.visible_from:
        raise unknown()
    had = had_shares(conn, ((packet_id, user_id),))
    cents = had.get((packet_id, user_id), 0)
    return grab(packet, user_id, now_ms, already_had=bool(cents)).value, cents


def had_shares(conn: SqlConnection, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Return of these pairs (packet, user) those who had a share, and what they were paid."""
    rows = query_rows(
        conn, "with asked (packet, person) as (", pairs,
        ") select json_group_array(json_array(r.packet_id, r.user_id, r.cents)) from asked a"
        " join redpack_record r on r.packet_id = a.packet and r.user_id = a.person",
    )  # fmt: skip
    return {(packet_id, user_id): cents for packet_id, user_id, cents in rows}


def records_of(conn: SqlConnection, packet_id: int) -> list[ShareRecord]:
    """Return the shares that were taken from a packet, in the order of their openings."""
    rows = conn.execute(
        "select packet_id, user_id, number, cents, opened_at from redpack_record where packet_id = ? order by number",
        (packet_id,),
    )
    return [
        ShareRecord(packet_id=packet_id, user_id=user_id, number=number, cents=cents, opened_ms=opened_at)
        for packet_id, user_id, number, cents, opened_at in rows
    ]


@attrs.frozen(slots=True)
class Due:
    """A live packet whose time is over: redpack r of person u."""

    expires_at: int
    packet_id: int = attrs.field(metadata=sql("r.id"))
    group_id: int
    sender_id: int
    sender: str = attrs.field(metadata=sql("u.name"))


def due(conn: SqlConnection, now_ms: int, after: tuple[int, int], limit: int) -> list[Due]:
    """Return a page of live packets whose time is over, by (expires_at, id), after the last of the page before;
    (0, 0) at first.
    """
    rows = conn.execute(
        f"select {select_list(Due, 'r')} from redpack r join person u on u.id = r.sender_id"
        " where r.state = 'live' and r.expires_at <= ? and (r.expires_at, r.id) > (?, ?)"
        " order by r.expires_at, r.id limit ?",
        (now_ms, *after, limit),
    )
    return [Due(*row) for row in rows]


def next_due(conn: SqlConnection, now_ms: int) -> int | None:
    """Return when the next live packet expires after `now_ms`, in milliseconds since 1970; None where there is none."""
    row = conn.execute(
        "select min(expires_at) from redpack where state = 'live' and expires_at > ?", (now_ms,)
    ).fetchone()
    return row[0]


def drop_lapsed(conn: SqlConnection, now_ms: int) -> None:
    """Forget promises that can no longer be kept."""
    conn.execute("delete from redpack_prepared where lapses_at <= ?", (now_ms,))


def expire_packet(packet_id: int) -> Script[ExpiredPacket]:
    """Give back what nobody opened, once. Replies ExpiredPacket."""

    def script(turn: GroupTransaction, actor: Actor) -> ExpiredPacket:
        packet, _, _ = load(turn.conn, turn.group_id, packet_id)
        if packet.state is not PacketState.LIVE or turn.now_ms < packet.expires_ms:
            return ExpiredPacket(None)
        accounts = escrow(packet_id), wallet(packet.sender_id)
        transfer_id = ledger.next_id(turn.conn, turn.ids, turn.now_ms, *accounts)
        try:
            settled = expire(packet, transfer_id=transfer_id, now_ms=turn.now_ms)
        except RedpackError as error:
            raise refused_by(error) from None
        balances = ledger.post(turn.conn, settled.transfer)
        save_all(turn.conn, (settled.packet,))
        data = {
            "packet": packet_id,
            "refunded": settled.transfer.cents,
            "left": packet.remaining_count,
            "seed": packet.server_seed.hex(),
        }
        turn.append(actor, "expired", data=data)
        return ExpiredPacket(balances[settled.transfer.receiver])

    return Script(ExpiredPacket, script)


@attrs.frozen(slots=True)
class StoredOpening:
    """A share that somebody took: redpack_record r of person u."""

    number: int
    user_id: int
    name: str = attrs.field(metadata=sql("u.name"))
    cents: int
    opened_at: int


@attrs.frozen(slots=True)
class PacketView:
    """A packet with its openings, for one who may see it."""

    packet: Packet
    group_id: int
    seq: int
    sender: tuple[int, str]
    greeting: str
    openings: list[StoredOpening]
    luckiest: int | None


def show(conn: SqlConnection, user_id: int, packet_id: int) -> PacketView:
    """Return all about a packet, for a member of its group. Raises Refusal."""
    row = conn.execute("select group_id from redpack where id = ?", (packet_id,)).fetchone()
    if row is None:
        raise unknown()
    try:
        _, member = require_reader(conn, user_id, row[0], operation=Operation.OPEN_PACKET)
    except Refusal:
        raise unknown() from None
    packet, seq, greeting = load(conn, row[0], packet_id)
    if seq <= member.visible_from:
        raise unknown()
    openings = conn.execute(
        f"select {select_list(StoredOpening, 'r')} from redpack_record r join person u on u.id = r.user_id"
        " where r.packet_id = ? order by r.number",
        (packet_id,),
    )
    winner = luckiest(packet, records_of(conn, packet_id)) if packet.state is PacketState.EXHAUSTED else None
    name = names_of(conn, [packet.sender_id])[packet.sender_id]
    return PacketView(
        packet,
        row[0],
        seq,
        (packet.sender_id, name),
        greeting,
        [StoredOpening(*row) for row in openings],
        None if winner is None else winner.number,
    )
