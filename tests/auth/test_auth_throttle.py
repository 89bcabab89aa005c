"""Token buckets by key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatsrv.auth import throttle as module
from chatsrv.auth.throttle import Throttle


def test_a_burst_at_once_then_the_rate() -> None:
    throttle = Throttle(rate=2.0, burst=3)
    assert [throttle.take("ann", 10.0) for _ in range(3)] == [0, 0, 0]
    assert throttle.take("ann", 10.0) == pytest.approx(0.5)
    assert throttle.wait("ann", 10.25) == pytest.approx(0.25)
    assert throttle.take("ann", 10.5) == 0
    assert throttle.take("ann", 10.5) > 0


def test_keys_do_not_share() -> None:
    throttle = Throttle(rate=1.0, burst=1)
    assert throttle.take("ann", 0) == throttle.take("bob", 0) == 0
    assert throttle.take("ann", 0) > 0


def test_who_waits_long_gets_no_more_than_the_burst() -> None:
    throttle = Throttle(rate=1.0, burst=2)
    throttle.take("ann", 0)
    assert [throttle.take("ann", 1000.0) == 0 for _ in range(3)] == [True, True, False]


def test_part_of_one() -> None:
    throttle = Throttle(rate=1.0, burst=1)
    taken = 0
    while throttle.take("address", 0, 0.1) == 0:
        taken += 1
    assert taken == 1, "one has to be there whole, and a tenth is used"
    throttle = Throttle(rate=1.0, burst=2)
    taken = 0
    while throttle.take("address", 0, 0.1) == 0:
        taken += 1
    assert taken in (10, 11)


def test_what_is_given_back_can_be_taken_again_even_the_last() -> None:
    throttle = Throttle(rate=0.001, burst=2)
    for _ in range(10):
        assert throttle.take("ann", 0) == 0
        assert throttle.take("ann", 0) == 0
        throttle.give_back("ann", 0)
        throttle.give_back("ann", 0)
    throttle.give_back("ann", 0)
    assert [throttle.take("ann", 0) == 0 for _ in range(3)] == [True, True, False], "never more than the burst"


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    throttle = Throttle(rate=1.0, burst=1)
    assert throttle.take("ann", 100) == 0
    assert throttle.take("ann", 50) == pytest.approx(1)


def test_the_keys_are_bounded_and_forgetting_forgives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 3)
    throttle = Throttle(rate=0.001, burst=1)
    for key in "abcd":
        assert throttle.take(key, 0) == 0
    assert throttle.take("d", 0) > 0
    assert throttle.take("a", 0) == 0, "unused longest, so forgotten"
    assert throttle.take("c", 0) > 0


@given(
    rate=st.floats(0.1, 10),
    burst=st.integers(1, 10),
    pauses=st.lists(st.floats(0, 5), min_size=1, max_size=60),
)
def test_never_more_than_burst_and_rate_allow(rate: float, burst: int, pauses: list[float]) -> None:
    throttle = Throttle(rate, burst)
    now, taken = 0.0, 0
    for pause in pauses:
        now += pause
        wait = throttle.take("k", now)
        if wait == 0:
            taken += 1
        else:
            assert throttle.wait("k", now + wait + 1e-6) == 0, "the wait it names is enough"
        assert taken <= burst + now * rate + 1e-6
