"""Bind the server to its draw before the sender adds a seed, and turn the two seeds into a repeatable stream of draws.

The protocol, byte for byte (all numbers big-endian; README.md says what it proves and what it does not):

    C   = SHA256("rp-commit-v1\\0" | packet_id: 16 bytes | total: u64 | count: u32 | server_seed)                  lucky
    C   = SHA256("rp-commit-v2\\0" | packet_id: 16 bytes | total: u64 | count: u32 | mode: u8
                 | receiver_id: 16 bytes, zero for none | server_seed)                        every other mode
    key = HMAC-SHA256(server_seed, "rp-key-v1\\0" | C | client_seed)
    x_i = the first 8 bytes of HMAC-SHA256(key, i: u64) as an integer,   i = 0, 1, 2, …
    below(m) takes the next x_i < floor(2**64 / m) * m and answers x_i mod m; a rejected draw uses up its number

The two tags bind the mode: v1 means lucky and nothing else, v2 says which other one. The operator's limits are not
bound, since they decide whether a packet may be sent and never what is drawn.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NamedTuple

from chatsrv_redpack.checks import check_id, check_seed, check_whole
from chatsrv_redpack.limits import Mode, check_shape
from chatsrv_redpack.split import all_shares, find_luckiest

COMMIT_V1: Final = b"rp-commit-v1\0"
COMMIT_V2: Final = b"rp-commit-v2\0"
KEY_V1: Final = b"rp-key-v1\0"

MODE_BYTE: Final[dict[Mode, int]] = {Mode.LUCKY: 1, Mode.SHUFFLED: 2, Mode.EQUAL: 3, Mode.NAMED: 4}
"""The numbers of the v2 commitment; lucky has one so that no later mode takes it."""

_DRAW_RANGE: Final = 2**64
_MAX_DRAW: Final = 2**63 - 1  # SQLite's INTEGER; at two draws a share it is never reached

assert len(MODE_BYTE) == len(Mode) == len(set(MODE_BYTE.values())), "every mode has a byte of its own"


def commitment(
    packet_id: int,
    total: int,
    count: int,
    server_seed: bytes,
    mode: Mode = Mode.LUCKY,
    receiver_id: int | None = None,
) -> bytes:
    """Answer the 32 bytes that the server publishes before it sees the client's seed.

    Args:
        packet_id: from 0 to 2**63-1.
        total: cents.
        count: shares.
        server_seed: 32 secret bytes, uniformly random and used for this packet alone.
        mode: lucky gives a v1 commitment, every other mode a v2 one.
        receiver_id: the one person of a named packet, else None.

    Raises:
        InvalidError: for anything out of bounds or against the mode.
    """
    check_id(packet_id, "packet_id", low=0)
    check_shape(total, count, mode, receiver_id)
    check_seed(server_seed, "server_seed")
    head = packet_id.to_bytes(16, "big") + total.to_bytes(8, "big") + count.to_bytes(4, "big")
    if mode is Mode.LUCKY:
        return hashlib.sha256(COMMIT_V1 + head + server_seed).digest()
    bound = MODE_BYTE[mode].to_bytes(1, "big") + (receiver_id or 0).to_bytes(16, "big")
    return hashlib.sha256(COMMIT_V2 + head + bound + server_seed).digest()


def draw_key(server_seed: bytes, committed: bytes, client_seed: bytes) -> bytes:
    """Answer the 32-byte key of the packet's draws, which neither side could choose alone.

    Raises:
        InvalidError: BAD_SEED where one of the three is not 32 bytes.
    """
    check_seed(server_seed, "server_seed")
    message = KEY_V1 + check_seed(committed, "commitment") + check_seed(client_seed, "client_seed")
    return hmac.digest(server_seed, message, "sha256")


_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))
"""The two paddings of HMAC, as tables for `bytes.translate`."""


class Stream:
    """The numbered draws of one packet, resumable: store `next_draw` and make the same stream again after a restart.

    Not frozen: `below` moves `next_draw` forward. One task owns a stream, for the length of one call.

    Args:
        key: 32 bytes, from `draw_key`.
        next_draw: the number of the first draw not used yet, from 0.
    """

    __slots__ = ("_inner", "_outer", "next_draw")

    def __init__(self, key: bytes, next_draw: int = 0) -> None:
        block = check_seed(key, "key").ljust(hashlib.sha256().block_size, b"\0")
        self._inner = block.translate(_INNER_PAD)
        self._outer = block.translate(_OUTER_PAD)
        self.next_draw = check_whole(next_draw, "next_draw", 0, _MAX_DRAW)

    def draw(self) -> int:
        """Answer the next draw, uniform on 0 … 2**64-1, and use up its number."""
        # HMAC-SHA256 as RFC 2104 writes it down: OpenSSL's takes 8 us for a message of eight bytes, two hashes take 3.
        inner = hashlib.sha256(self._inner + self.next_draw.to_bytes(8, "big")).digest()
        block = hashlib.sha256(self._outer + inner).digest()
        self.next_draw += 1
        return int.from_bytes(block[:8], "big")

    def below(self, m: int) -> int:
        """Answer a number uniform on 0 … m-1, for m from 1 to 2**64.

        Draws from the uneven rest of the range are rejected, since x mod m alone would favour small answers. Fewer than
        half of all draws are rejected even for the worst m.

        Raises:
            InvalidError: BAD_VALUE for another m.
        """
        check_whole(m, "m", 1, _DRAW_RANGE)
        bound = _DRAW_RANGE - _DRAW_RANGE % m
        while (x := self.draw()) >= bound:
            pass
        return x % m


class Drawn(NamedTuple):
    """A whole packet as it will be paid if everybody comes, and where its stream stands then."""

    shares: tuple[int, ...]
    """Cents in opening order: share number 0 goes to who opens first."""
    next_draw: int
    """The draw with which the tie for the luckiest would begin."""


def draw_packet(key: bytes, mode: Mode, total: int, count: int) -> Drawn:
    """Recompute all shares of a packet from its key.

    Raises:
        InvalidError: for anything out of bounds or against the mode.
    """
    stream = Stream(key)
    shares = all_shares(mode, total, count, stream.below)
    return Drawn(shares, stream.next_draw)


def luckiest_number(mode: Mode, shares: tuple[int, ...], key: bytes, next_draw: int) -> int | None:
    """Answer the number of the luckiest share of an exhausted packet; None in the modes without luck.

    Args:
        mode: lucky and shuffled have a luckiest share; equal and named have none.
        shares: all of them, in opening order.
        key: from `draw_key`.
        next_draw: where the stream stands after the last share; a tie is drawn there.

    Raises:
        InvalidError: BAD_COUNT for no shares, BAD_SEED or BAD_VALUE for a bad key or draw number.
    """
    if mode not in {Mode.LUCKY, Mode.SHUFFLED}:
        return None
    return find_luckiest(shares, Stream(key, next_draw).below)
