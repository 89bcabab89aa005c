"""Attempts: exact windows, and shares that leave room for the honest."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chatsrv.face_to_face.attempts import PER_SERVER, WINDOW, Attempts


def test_five_in_three_minutes_to_the_millisecond():
    attempts = Attempts()
    assert [attempts.take(1, "a", at) for at in (0, 10, 20, 30, 40)] == [0] * 5
    assert attempts.take(1, "a", 50) == WINDOW - 50
    assert attempts.take(1, "b", WINDOW - 1) == 1
    assert attempts.take(1, "a", WINDOW) == 0
    assert attempts.take(1, "a", WINDOW) == 10
    assert attempts.take(2, "a", WINDOW) == 0


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("ab"), st.integers(0, 40_000)), max_size=80))
def test_no_window_ever_holds_more_than_the_rule_allows(steps):
    attempts, taken, now = Attempts(per_user=3, per_source=5, per_server=8), [], 0
    for user_id, source, later in steps:
        now += later
        if attempts.take(user_id, source, now) == 0:
            taken.append((now, user_id, source))
        window = [each for each in taken if each[0] > now - WINDOW]
        assert len(window) == len(attempts)
        assert all(count <= 3 for count in Counter(user for _, user, _ in window).values())
        for name, count in Counter(source for _, _, source in window).items():
            firsts = {user for _, user, source in window if source == name}
            assert count <= 5 + len(firsts)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 40_000)), max_size=40))
def test_the_wait_it_names_is_exact(steps):
    attempts, now = Attempts(per_user=2, per_source=3), 0
    for user_id, later in steps:
        now += later
        wait = attempts.take(user_id, "a", now)
        if wait:
            assert attempts.take(user_id, "a", now + wait - 1) > 0
            now += wait
            assert attempts.take(user_id, "a", now) == 0


def test_an_address_over_its_budget_still_gets_each_user_in_once():
    attempts = Attempts(per_source=100)
    for user_id in range(1, 1001):
        for _ in range(5):
            attempts.take(user_id, "a", 0)
    assert len(attempts) == 100 + 980
    assert attempts.take(5000, "a", 0) == 0
    assert attempts.take(5000, "a", 0) == WINDOW


def test_addresses_that_swamp_the_server_leave_others_their_share():
    attempts = Attempts(per_user=5, per_source=1000, per_server=2000)
    for user_id in range(1, 1001):
        for _ in range(5):
            attempts.take(user_id, f"10.0.0.{user_id % 4}", 0)
    assert 2000 <= len(attempts) <= 4000
    assert attempts.take(5000, "192.168.0.1", 0) == 0
    assert attempts.take(5001, "192.168.0.1", 0) == 0


def test_memory_is_bounded_and_given_back():
    attempts = Attempts(per_server=500)
    for user_id in range(1, 5000):
        attempts.take(user_id, str(user_id), 0)
    assert len(attempts) <= 1000 <= 2 * PER_SERVER
    assert attempts.take(1, "1", WINDOW) == 0
    assert len(attempts) == 1
