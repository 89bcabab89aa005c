"""Divide a sum of cents into shares: one at a time by the double average, equally, or beforehand and shuffled.

Theory. R cents remain for k shares, each at least one cent. Set one cent aside for each: E = R - k may be handed out
freely. A draw that is uniform on 0 … 2E/k has the mean E/k, so the share has the mean R/k, and so has, by induction,
each later one. But 2E/k is seldom whole, and rounding it down each time makes the early shares poorer. With q, r =
divmod(2E, k) the upper end is therefore q + 1 with probability r/k and q otherwise: the upper end has the mean q + r/k
= 2E/k exactly. README.md has the proof and what the rounding costs without it.

Randomness arrives as `below`: a function that answers a whole number uniform on 0 … m-1. The order of its calls is part
of the published protocol (`fairness`), since a verifier must repeat them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from chatsrv_redpack.checks import check_whole
from chatsrv_redpack.errors import Code, InvalidError
from chatsrv_redpack.limits import MAX_SHARES, Mode, check_shape
from chatsrv_redpack.money import MAX_CENTS, check_cents

T = TypeVar("T")

Below = Callable[[int], int]
"""`below(m)`: uniform on 0 … m-1, for m from 1 to 2**64."""

# A share of R cents asks at most for below(R): q + 2 <= 2 * (R - k) / k + 2 <= R for k >= 2.
assert MAX_CENTS < 2**64, "a draw of 64 bits must cover the widest range"
assert MAX_SHARES < 2**32, "the commitment writes the count as a u32"


def draw_share(remaining: int, count: int, below: Below) -> int:
    """Draw the next share by the double average method.

    Args:
        remaining: cents left, from `count` to 2**53-1.
        count: shares left, this one included, from 1 to `MAX_SHARES`.
        below: the randomness; called twice, first below(count), or not at all where one share is left.

    Returns:
        Cents, from 1 to ceil(2 * remaining / count) - 1 (all that remains for the last share), with the mean
        remaining / count exactly; what it leaves suffices for one cent for each of the others.

    Raises:
        InvalidError: BAD_AMOUNT or BAD_COUNT where the arguments are out of bounds.

    Source: the "double average" of the WeChat write-ups, made exact by the randomised rounding of the upper end.
    """
    check_cents(remaining, "remaining", low=1)
    check_whole(count, "count", 1, min(remaining, MAX_SHARES), Code.BAD_COUNT)
    if count == 1:
        return remaining
    q, r = divmod(2 * (remaining - count), count)
    wider = 1 if below(count) < r else 0
    return 1 + below(q + 1 + wider)


def lucky_shares(total: int, count: int, below: Below) -> tuple[int, ...]:
    """Draw a whole packet in opening order: `count` shares of at least one cent that sum to `total`.

    Raises:
        InvalidError: BAD_AMOUNT or BAD_COUNT where the arguments are out of bounds.
    """
    check_shape(total, count, Mode.LUCKY)
    shares: list[int] = []
    remaining = total
    for left in range(count, 0, -1):
        share = draw_share(remaining, left, below)
        shares.append(share)
        remaining -= share
    return tuple(shares)


def permute(items: Sequence[T], below: Below) -> tuple[T, ...]:
    """Answer `items` in an order drawn uniformly, by Fisher–Yates from the last index down.

    Calls below(i + 1) for i from len - 1 to 1 and swaps i with the answer.

    Source: Durstenfeld, Algorithm 235, CACM 7 (1964).
    """
    order = list(items)
    for i in range(len(order) - 1, 0, -1):
        j = below(i + 1)
        order[i], order[j] = order[j], order[i]
    return tuple(order)


def shuffled_shares(total: int, count: int, below: Below) -> tuple[int, ...]:
    """Draw a whole packet and then permute it: each position has the same distribution, not only the same mean.

    Raises:
        InvalidError: BAD_AMOUNT or BAD_COUNT where the arguments are out of bounds.
    """
    return permute(lucky_shares(total, count, below), below)


def equal_share(total: int, count: int) -> int:
    """Answer the cents of each share of an equal packet.

    Raises:
        InvalidError: BAD_AMOUNT where `count` does not divide `total`, and as for the other modes.
    """
    check_shape(total, count, Mode.EQUAL)
    return total // count


def all_shares(mode: Mode, total: int, count: int, below: Below) -> tuple[int, ...]:
    """Answer all shares of a packet, in opening order, each mode in its own way; only the lucky ones call `below`.

    Raises:
        InvalidError: BAD_AMOUNT or BAD_COUNT where the arguments are out of bounds or against the mode.
    """
    if mode is Mode.LUCKY:
        return lucky_shares(total, count, below)
    if mode is Mode.SHUFFLED:
        return shuffled_shares(total, count, below)
    if mode is Mode.EQUAL:
        return (equal_share(total, count),) * count
    check_whole(count, "count", 1, 1, Code.BAD_COUNT)
    return (check_cents(total, "total", low=1),)


def find_luckiest(shares: Sequence[int], below: Below) -> int:
    """Answer the index of the largest share; a tie costs one below(number of tied), which picks among them in order.

    Raises:
        InvalidError: BAD_COUNT for no shares at all.
    """
    if not shares:
        raise InvalidError(Code.BAD_COUNT, "a packet without shares has no luckiest one", "shares")
    largest = max(shares)
    tied = [index for index, share in enumerate(shares) if share == largest]
    return tied[0] if len(tied) == 1 else tied[below(len(tied))]
