"""Audits stored packets: their draws, and whether packets, records, messages and transfers agree.

The ledger alone cannot tell that a share was paid to another than the record says, or that an escrow lost its packet.
"""

import json
from collections.abc import Iterator
from typing import Final

from chatsrv_redpack import Packet, RedpackError, check_packet
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.money.packets import head_of, load, records_of

_CROSS_CHECKS: Final = (
    (
        "select r.packet_id, r.number from redpack_record r left join transfer t on t.id = r.transfer_id"
        " where t.id is null or (t.kind, t.giver_id, t.receiver_id, t.cents, t.at)"
        " <> ('open', r.packet_id, r.user_id, r.cents, r.opened_at)",
        "red packet {}: the record of share {} is not what its transfer paid",
    ),
    (
        "select t.giver_id, t.id from transfer t left join redpack_record r on r.packet_id = t.giver_id"
        " and r.user_id = t.receiver_id and r.transfer_id = t.id where t.kind = 'open' and r.packet_id is null",
        "red packet {}: transfer {} paid a share of which there is no record",
    ),
    (
        "select t.receiver_id, t.id from transfer t left join redpack p on p.id = t.receiver_id"
        " where t.kind = 'send' and p.id is null",
        "there is no red packet {}, for which transfer {} paid",
    ),
    (
        "select p.id, t.id from transfer t join redpack p on p.id = t.receiver_id"
        " where t.kind = 'send' and (t.cents, t.giver_id) <> (p.total, p.sender_id)",
        "red packet {}: who paid for it by transfer {} is not the sender, or paid something else",
    ),
    (
        "select id, total from redpack where id not in (select receiver_id from transfer where kind = 'send')",
        "red packet {}: nobody paid for it, and its total is {} cents",
    ),
    (
        "select t.giver_id, t.id from transfer t left join redpack p on p.id = t.giver_id"
        " and (p.refunded_cents, p.sender_id) = (t.cents, t.receiver_id) where t.kind = 'refund' and p.id is null",
        "red packet {}: what transfer {} gave back is not what the packet says, or not the sender's",
    ),
    (
        "select id, refunded_cents from redpack"
        " where refunded_cents <> 0 and id not in (select giver_id from transfer where kind = 'refund')",
        "red packet {}: no transfer gave back its {} cents",
    ),
)
"""(what finds pairs of numbers, the sentence about such a pair). Each reads its tables once: joins are by keys."""


def check(conn: SqlConnection) -> Iterator[str]:
    """Yield in words every packet that is not what it was committed to be, or that other rows contradict."""
    for packet_id, group_id in conn.execute("select id, group_id from redpack").fetchall():
        try:
            yield from (f"red packet {packet_id}: {problem}" for problem in _problems(conn, group_id, packet_id))
        except (Refusal, RedpackError, ValueError, TypeError) as error:
            yield f"red packet {packet_id}: its row cannot be read, or one of its records: {error}"
    for query, sentence in _CROSS_CHECKS:
        for pair in conn.execute(query):
            yield sentence.format(*pair)


def _problems(conn: SqlConnection, group_id: int, packet_id: int) -> Iterator[str]:
    packet, seq, greeting = load(conn, group_id, packet_id)
    held = conn.execute("select balance from account where kind = 'escrow' and id = ?", (packet_id,)).fetchone()
    if held is None or held[0] != packet.remaining_cents:
        yield f"{packet.remaining_cents} cents remain, and its escrow holds {held and held[0]}"
    yield from _message_problems(conn, group_id, seq, greeting, packet)
    yield from map(str, check_packet(packet, records_of(conn, packet_id)))


def _message_problems(conn: SqlConnection, group_id: int, seq: int, greeting: str, packet: Packet) -> Iterator[str]:
    """Yield in words where members were shown something else than they are paid by."""
    row = conn.execute(
        "select kind, sender_id, text, sent_at, data from message where group_id = ? and seq = ?", (group_id, seq)
    ).fetchone()
    if row is None:
        yield f"it has no message: group {group_id} has no event {seq}"
    elif row[:4] != ("redpack", packet.sender_id, greeting, packet.sent_ms) or json.loads(row[4]) != {
        "packet": head_of(packet)
    }:
        yield f"its message says something else: event {seq} of group {group_id}"
