"""Pauses between tries."""

from chatsrv.client.connection.backoff import Backoff


def test_the_bound_doubles_up_to_the_longest_and_falls_back() -> None:
    backoff = Backoff(lambda: 1.0, first=1.0, longest=60.0)
    assert [backoff.next() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next() == 1


def test_pauses_are_spread_and_come_on_top_of_the_least() -> None:
    assert Backoff(lambda: 0.25).next() == 0.25
    assert Backoff(lambda: 0.5).next(at_least=3.0) == 3.5


def test_years_without_a_server_overflow_nothing() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.failures = 10**6
    assert backoff.next() == 60.0
