"""Write down everything a verifier needs about a finished packet, as JSON that any language reads, and read it back.

A reveal exists only for packets that nobody can open any more: who knows the server seed knows every share to come.
Ids are strings in it, since 63 bits do not survive a JSON reader that keeps numbers as doubles; cents do (2**53-1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from chatsrv_redpack.checks import MAX_ID, SEED_BYTES, check_id, check_seed, check_whole
from chatsrv_redpack.errors import Code, InvalidError, RefusedError
from chatsrv_redpack.lifecycle import luckiest
from chatsrv_redpack.limits import MAX_SHARES, Mode, check_mode, check_shape
from chatsrv_redpack.money import check_cents
from chatsrv_redpack.packet import Packet, PacketState, ShareRecord

FORMAT: Final = "redpack-reveal-1"


@dataclass(frozen=True, slots=True)
class Taken:
    """One opened share as revealed.

    Attributes:
        number: in opening order, from 0.
        user_id: who took it.
        cents: at least one.
    """

    number: int
    user_id: int
    cents: int

    def __post_init__(self) -> None:
        """Refuse what no opening can leave behind."""
        check_whole(self.number, "number", 0, MAX_SHARES - 1, Code.BAD_REVEAL)
        check_id(self.user_id, "user_id")
        check_cents(self.cents, "cents", low=1)


@dataclass(frozen=True, slots=True)
class Revealed:
    """A finished packet with its secret; well formed from construction on, true only if `verify` says so.

    Attributes:
        packet_id, total, count, mode, receiver_id: as sent.
        commitment: 32 bytes, as published before the client's seed was known.
        server_seed, client_seed: 32 bytes each.
        taken: the opened shares, in opening order.
        refunded_cents: what went back to the sender; 0 where everything was taken.
        luckiest: the number of the luckiest share, or None.
    """

    packet_id: int
    total: int
    count: int
    mode: Mode
    receiver_id: int | None
    commitment: bytes
    server_seed: bytes
    client_seed: bytes
    taken: tuple[Taken, ...]
    refunded_cents: int
    luckiest: int | None

    def __post_init__(self) -> None:
        """Refuse what cannot be a reveal at all; what is merely untrue is for `verify`."""
        check_id(self.packet_id, "packet_id", low=0)
        check_shape(self.total, self.count, self.mode, self.receiver_id)
        for field in ("commitment", "server_seed", "client_seed"):
            check_seed(getattr(self, field), field)
        check_cents(self.refunded_cents, "refunded_cents")
        if len(self.taken) > MAX_SHARES:
            raise InvalidError(Code.BAD_REVEAL, f"at most {MAX_SHARES} shares can be opened", "opened")
        if self.luckiest is not None:
            check_whole(self.luckiest, "luckiest", 0, MAX_SHARES - 1, Code.BAD_REVEAL)

    def to_json(self) -> dict[str, object]:
        """Answer plain data for `json.dumps`."""
        return {
            "format": FORMAT,
            "packet_id": str(self.packet_id),
            "total_cents": self.total,
            "count": self.count,
            "mode": self.mode.value,
            "receiver_id": None if self.receiver_id is None else str(self.receiver_id),
            "commitment": self.commitment.hex(),
            "server_seed": self.server_seed.hex(),
            "client_seed": self.client_seed.hex(),
            "opened": [
                {"number": share.number, "user_id": str(share.user_id), "cents": share.cents} for share in self.taken
            ],
            "refunded_cents": self.refunded_cents,
            "luckiest": self.luckiest,
        }


def reveal_packet(packet: Packet, records: Iterable[ShareRecord]) -> Revealed:
    """Uncover the seed of a finished packet.

    Args:
        records: all of the packet, in any order.

    Raises:
        RefusedError: WRONG_STATE while the packet can still be opened.
        CorruptError: records that are not those of the packet.
    """
    if packet.state is PacketState.LIVE:
        raise RefusedError(
            Code.WRONG_STATE, "the seed of a packet is revealed when it is exhausted or refunded", "state"
        )
    ordered = sorted(records, key=lambda record: record.number)
    winner = luckiest(packet, ordered)
    return Revealed(
        packet_id=packet.packet_id,
        total=packet.total,
        count=packet.count,
        mode=packet.mode,
        receiver_id=packet.receiver_id,
        commitment=packet.commitment,
        server_seed=packet.server_seed,
        client_seed=packet.client_seed,
        taken=tuple(Taken(record.number, record.user_id, record.cents) for record in ordered),
        refunded_cents=packet.refunded_cents,
        luckiest=None if winner is None else winner.number,
    )


def parse_reveal(data: object) -> Revealed:
    """Read what `Revealed.to_json` wrote, from a parsed JSON value; keys that are not known are left alone.

    Raises:
        InvalidError: BAD_REVEAL for a missing key, a wrong type or another format, and the codes of `Revealed`.
    """
    fields = _mapping(data, "reveal")
    if _get(fields, "format") != FORMAT:
        raise InvalidError(Code.BAD_REVEAL, f"this is no reveal of the format {FORMAT}", "format")
    receiver, winner = _get(fields, "receiver_id"), _get(fields, "luckiest")
    opened = _get(fields, "opened")
    if not isinstance(opened, list):
        raise InvalidError(Code.BAD_REVEAL, "opened must be a list", "opened")
    return Revealed(
        packet_id=_id(_get(fields, "packet_id"), "packet_id"),
        total=check_cents(_get(fields, "total_cents"), "total_cents", low=1),
        count=check_whole(_get(fields, "count"), "count", 1, MAX_SHARES, Code.BAD_COUNT),
        mode=check_mode(_get(fields, "mode")),
        receiver_id=None if receiver is None else _id(receiver, "receiver_id"),
        commitment=_hex(_get(fields, "commitment"), "commitment"),
        server_seed=_hex(_get(fields, "server_seed"), "server_seed"),
        client_seed=_hex(_get(fields, "client_seed"), "client_seed"),
        taken=tuple(_taken(item) for item in cast("Sequence[object]", opened)),
        refunded_cents=check_cents(_get(fields, "refunded_cents"), "refunded_cents"),
        luckiest=None if winner is None else check_whole(winner, "luckiest", 0, MAX_SHARES - 1, Code.BAD_REVEAL),
    )


def _taken(item: object) -> Taken:
    fields = _mapping(item, "opened")
    return Taken(
        number=check_whole(_get(fields, "number"), "number", 0, MAX_SHARES - 1, Code.BAD_REVEAL),
        user_id=_id(_get(fields, "user_id"), "user_id"),
        cents=check_cents(_get(fields, "cents"), "cents", low=1),
    )


def _mapping(value: object, field: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InvalidError(Code.BAD_REVEAL, f"{field} must be a JSON object", field)
    return cast("Mapping[str, object]", value)


def _get(fields: Mapping[str, object], field: str) -> object:
    if field not in fields:
        raise InvalidError(Code.BAD_REVEAL, f"{field} is missing", field)
    return fields[field]


def _id(value: object, field: str) -> int:
    """Read an id of at most 19 ASCII digits; longer text is refused before int() works on it."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) <= len(str(MAX_ID)):
        return int(value)
    raise InvalidError(Code.BAD_REVEAL, f"{field} must be an id written as a string of digits", field)


def _hex(value: object, field: str) -> bytes:
    if type(value) is str and len(value) == 2 * SEED_BYTES and all(digit in "0123456789abcdef" for digit in value):
        return bytes.fromhex(value)
    raise InvalidError(Code.BAD_REVEAL, f"{field} must be {2 * SEED_BYTES} lower-case hexadecimal digits", field)
