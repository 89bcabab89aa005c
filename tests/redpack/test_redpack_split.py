"""The splits: exact sums and bounds, exact means by enumeration, and the spread by two independent ways."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import accumulate
from math import ceil, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatsrv_redpack.errors import Code, InvalidError
from chatsrv_redpack.limits import MAX_SHARES, Mode
from chatsrv_redpack.money import MAX_CENTS
from chatsrv_redpack.split import (
    all_shares,
    draw_share,
    equal_share,
    find_luckiest,
    lucky_shares,
    permute,
    shuffled_shares,
)

# design.md section 5: 1000 cents in 10 shares, exact, by position.
REFERENCE = [57.446, 57.917, 58.510, 59.279, 60.318, 61.796, 64.067, 67.995, 76.377, 76.377]


class Script:
    """A `below` that gives prepared answers and notes what it was asked."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.asked: list[int] = []

    def __call__(self, m: int) -> int:
        self.asked.append(m)
        answer = self.answers.pop(0)
        assert 0 <= answer < m
        return answer


def fast_below(seed: int) -> Callable[[int], int]:
    """A seeded stand-in for the HMAC stream, twenty times as fast; its bias at these bounds is below 2**-40."""
    draw = random.Random(seed).random
    return lambda m: int(draw() * m)


@cache
def outcomes(remaining: int, count: int) -> dict[int, Fraction]:
    """The exact distribution of the next share, by asking `draw_share` for every answer that `below` can give."""
    found: Counter[int] = Counter()
    weights: dict[int, Fraction] = {}
    if count == 1:
        return {draw_share(remaining, 1, Script()): Fraction(1)}
    for first in range(count):
        probe = Script(first, 0)
        draw_share(remaining, count, probe)
        width = probe.asked[1]
        found.clear()
        for second in range(width):
            found[draw_share(remaining, count, Script(first, second))] += 1
        for share, times in found.items():
            weights[share] = weights.get(share, Fraction(0)) + Fraction(times, width * count)
    return weights


@cache
def mean_at(position: int, remaining: int, count: int) -> Fraction:
    """The exact mean of the share at a position, over all ways the shares before it can fall."""
    ways = outcomes(remaining, count).items()
    if position == 0:
        return sum((share * weight for share, weight in ways), Fraction(0))
    return sum((weight * mean_at(position - 1, remaining - share, count - 1) for share, weight in ways), Fraction(0))


def test_the_mean_is_exact_at_every_position_of_every_small_packet() -> None:
    packets = 0
    for count in range(1, 8):
        for total in range(count, 60):
            packets += 1
            assert sum(outcomes(total, count).values()) == 1
            for position in range(count):
                assert mean_at(position, total, count) == Fraction(total, count), (total, count, position)
    assert packets == 392


@pytest.mark.parametrize(("total", "count"), [(7, 3), (9, 4), (11, 3), (5, 5)])
def test_the_joint_distribution_of_tiny_packets_sums_and_averages(total: int, count: int) -> None:
    """Whole packets, path by path, so that the conditional enumeration above is not the only witness."""
    paths: dict[tuple[int, ...], Fraction] = {(): Fraction(1)}
    for left in range(count, 0, -1):
        paths = {
            (*path, share): weight * chance
            for path, weight in paths.items()
            for share, chance in outcomes(total - sum(path), left).items()
        }
    assert sum(paths.values()) == 1
    assert all(sum(path) == total and min(path) >= 1 for path in paths)
    for position in range(count):
        assert sum((path[position] * weight for path, weight in paths.items()), Fraction(0)) == Fraction(total, count)


def test_the_order_of_the_draws_is_below_k_first() -> None:
    # E = 990, q, r = divmod(1980, 10) = 198, 0: never the wider range.
    script = Script(0, 198)
    assert draw_share(1000, 10, script) == 199
    assert script.asked == [10, 199]
    # E = 4, q, r = divmod(8, 3) = 2, 2: answers 0 and 1 widen, 2 does not.
    for first, width in [(0, 4), (1, 4), (2, 3)]:
        script = Script(first, width - 1)
        assert draw_share(7, 3, script) == width
        assert script.asked == [3, width]


def test_the_last_share_takes_what_remains_and_no_draw() -> None:
    script = Script()
    assert draw_share(77, 1, script) == 77
    assert script.asked == []


@given(st.data())
def test_each_step_keeps_its_bounds_and_leaves_enough(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, MAX_SHARES))
    remaining = data.draw(st.integers(count, MAX_CENTS) | st.integers(count, count + 20))

    def below(m: int) -> int:
        assert 1 <= m <= max(remaining, count)
        return data.draw(st.sampled_from([0, m - 1]) | st.integers(0, m - 1))

    share = draw_share(remaining, count, below)
    assert 1 <= share <= remaining - (count - 1)
    assert share * count <= 2 * remaining, "at most twice the average"
    if count > 1:
        assert share <= ceil(Fraction(2 * remaining, count)) - 1


@given(st.data())
def test_whole_packets_sum_to_their_total(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 60))
    total = data.draw(st.integers(count, 40 * count) | st.integers(count, MAX_CENTS))
    seed = data.draw(st.integers(0, 2**32))
    for split in (lucky_shares, shuffled_shares):
        shares = split(total, count, fast_below(seed))
        assert len(shares) == count
        assert sum(shares) == total
        assert min(shares) >= 1
    # Shuffling moves shares about and changes none.
    lucky, shuffled = (split(total, count, fast_below(seed)) for split in (lucky_shares, shuffled_shares))
    assert sorted(lucky) == sorted(shuffled)


@pytest.mark.parametrize(
    ("remaining", "count", "code"),
    [
        (0, 1, Code.BAD_AMOUNT),
        (-1, 1, Code.BAD_AMOUNT),
        (True, 1, Code.BAD_AMOUNT),
        (MAX_CENTS + 1, 1, Code.BAD_AMOUNT),
        (5, 0, Code.BAD_COUNT),
        (5, 6, Code.BAD_COUNT),
        (5, True, Code.BAD_COUNT),
        (10**6, MAX_SHARES + 1, Code.BAD_COUNT),
    ],
)
def test_a_step_that_cannot_be_is_refused(remaining: int, count: int, code: Code) -> None:
    with pytest.raises(InvalidError) as caught:
        draw_share(remaining, count, Script())
    assert caught.value.code is code


def exact_deviations(total: int, count: int) -> list[float]:
    """The standard deviation at each position, by dynamic programming over what remains.

    A table holds, for each R, the mean square of the share at some position when R cents remain. The next one averages
    it over the step before, whose share is uniform on 1 … q + 1, or on 1 … q + 2 with probability r/k; prefix sums make
    each average O(1).
    """

    def average(prefix: list[float], remaining: int, width: int) -> float:
        # over x in 0 … width-1 of table[remaining - 1 - x]
        return (prefix[remaining] - prefix[remaining - width]) / width

    # steps[k] turns a table for k - 1 shares into one for k shares
    def step(table: list[float], k: int) -> list[float]:
        prefix = [0.0, *accumulate(table)]
        result = [0.0] * (total + 1)
        for remaining in range(k, total + 1):
            q, r = divmod(2 * (remaining - k), k)
            result[remaining] = average(prefix, remaining, q + 1) * (k - r) / k
            if r:
                result[remaining] += average(prefix, remaining, q + 2) * r / k
        return result

    def square_of_next(k: int) -> list[float]:
        squares = [0.0] * (total + 1)
        for remaining in range(k, total + 1):
            if k == 1:
                squares[remaining] = float(remaining**2)
                continue
            q, r = divmod(2 * (remaining - k), k)
            for width, chance in ((q + 1, (k - r) / k), (q + 2, r / k)):
                # the mean of 1² … width²
                squares[remaining] += chance * (width + 1) * (2 * width + 1) / 6
        return squares

    deviations: list[float] = []
    for position in range(count):
        table = square_of_next(count - position)
        for k in range(count - position + 1, count + 1):
            table = step(table, k)
        deviations.append(sqrt(table[total] - (total / count) ** 2))
    return deviations


def test_the_exact_deviations_are_those_of_the_design() -> None:
    assert [round(deviation, 3) for deviation in exact_deviations(1000, 10)] == REFERENCE


def test_the_dynamic_programme_agrees_with_the_enumeration() -> None:
    @cache
    def square_at(position: int, remaining: int, count: int) -> Fraction:
        ways = outcomes(remaining, count).items()
        if position == 0:
            return sum((share**2 * weight for share, weight in ways), Fraction(0))
        parts = (weight * square_at(position - 1, remaining - share, count - 1) for share, weight in ways)
        return sum(parts, Fraction(0))

    for total, count in [(37, 5), (59, 7), (20, 3)]:
        for position, deviation in enumerate(exact_deviations(total, count)):
            variance = square_at(position, total, count) - Fraction(total, count) ** 2
            assert deviation == pytest.approx(sqrt(variance), rel=1e-9)


def test_200_000_packets_of_1000_cents_in_10_shares() -> None:
    packets = 200_000
    below = fast_below(20_260_101)
    sums, squares = [0] * 10, [0] * 10
    for _ in range(packets):
        remaining = 1000
        for position in range(10):
            share = draw_share(remaining, 10 - position, below)
            remaining -= share
            sums[position] += share
            squares[position] += share * share
        assert remaining == 0
    for position, reference in enumerate(REFERENCE):
        mean = sums[position] / packets
        deviation = sqrt(squares[position] / packets - mean**2)
        assert abs(mean - 100) < 0.6, position
        assert abs(deviation / reference - 1) < 0.02, position


def test_shuffling_gives_every_position_the_same_spread() -> None:
    """The unshuffled deviations run from 57.4 to 76.4; shuffled, each is the root of their mean square, 64.4."""
    packets = 20_000
    below = fast_below(7)
    expected = sqrt(statistics.fmean(reference**2 for reference in REFERENCE))
    columns = list(zip(*(shuffled_shares(1000, 10, below) for _ in range(packets)), strict=True))
    for column in columns:
        assert abs(statistics.fmean(column) - 100) < 2
        assert abs(statistics.pstdev(column) / expected - 1) < 0.03


def test_a_permutation_is_fisher_yates_from_the_last_index_down() -> None:
    script = Script(0, 2, 1)
    # i = 3 swaps with 0: d b c a; i = 2 with 2: the same; i = 1 with 1: the same.
    assert permute("abcd", script) == ("d", "b", "c", "a")
    assert script.asked == [4, 3, 2]
    seen = Counter(permute("abc", Script(first, second)) for first in range(3) for second in range(2))
    assert len(seen) == 6
    assert set(seen.values()) == {1}, "each order once: uniform"


def test_equal_shares_divide_or_are_refused() -> None:
    assert equal_share(1000, 8) == 125
    assert all_shares(Mode.EQUAL, 1000, 8, Script()) == (125,) * 8
    with pytest.raises(InvalidError) as caught:
        equal_share(1000, 7)
    assert caught.value.code is Code.BAD_AMOUNT


def test_a_named_packet_is_one_share() -> None:
    assert all_shares(Mode.NAMED, 5200, 1, Script()) == (5200,)
    with pytest.raises(InvalidError):
        all_shares(Mode.NAMED, 5200, 2, Script())


def test_each_mode_has_its_own_split() -> None:
    assert all_shares(Mode.LUCKY, 30, 4, fast_below(3)) == lucky_shares(30, 4, fast_below(3))
    assert all_shares(Mode.SHUFFLED, 30, 4, fast_below(3)) == shuffled_shares(30, 4, fast_below(3))


def test_the_luckiest_is_the_largest_and_a_tie_is_drawn() -> None:
    script = Script()
    assert find_luckiest([3, 9, 1], script) == 1
    assert script.asked == [], "no draw without a tie"
    for answer, index in [(0, 0), (1, 2), (2, 3)]:
        script = Script(answer)
        assert find_luckiest([5, 1, 5, 5], script) == index
        assert script.asked == [3]
    with pytest.raises(InvalidError):
        find_luckiest([], Script())
