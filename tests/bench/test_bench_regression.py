"""Fits of growth: a line is found again, and so is an exponent."""

import pytest

from bench.reporting.regression import grown, line, power


def test_a_line_and_a_power_are_found_again() -> None:
    assert line([(x, 9 + 0.2 * x) for x in (20, 50, 500)]) == pytest.approx((0.2, 9))
    assert power([(x, 3 * x**1.5) for x in (1, 10, 400)]) == pytest.approx((1.5, 3))


def test_the_worst_point_is_told_as_a_share_of_the_line() -> None:
    straight = grown([(1, 11), (2, 12), (3, 13)])
    assert (straight["each"], straight["at_zero"], straight["worst_from_line"]) == (1, 10, 0)
    assert grown([(1, 10), (2, 10), (3, 10)])["exponent"] == 0
    assert grown([(1, 10), (2, 30), (3, 10)])["worst_from_line"] == pytest.approx(30 / (50 / 3) - 1, abs=0.001)
