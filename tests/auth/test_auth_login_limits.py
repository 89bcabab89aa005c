"""Limits of guesses: nobody locks somebody else out."""

from chatsrv.auth.login_limits import LoginLimits


def test_a_strangers_guesses_leave_the_owner_theirs() -> None:
    limits = LoginLimits(10)
    assert sum(limits.take("ann", "198.51.100.1", 0.0) == 0 for _ in range(50)) == 10
    assert limits.refused == 40
    assert limits.take("ann", "192.0.2.1", 0.0) == 0


def test_guesses_of_many_addresses_are_bounded_and_known_addresses_pass() -> None:
    limits = LoginLimits(10)
    assert limits.take("ann", "192.0.2.1", 0.0) == 0
    limits.succeeded("ann", "192.0.2.1", 0.0)
    guesses = sum(limits.take("ann", f"198.51.100.{place}", 0.0) == 0 for place in range(100) for _ in range(5))
    assert guesses == 100
    assert limits.take("ann", "203.0.113.1", 0.0) > 0
    assert limits.take("ann", "192.0.2.1", 0.0) == 0
    assert limits.take("bob", "192.0.2.1", 0.0) == 0


def test_an_address_has_a_limit_for_all_users() -> None:
    limits = LoginLimits(10)
    assert 90 <= sum(limits.take(f"user {place}", "198.51.100.1", 0.0) == 0 for place in range(500)) <= 100


def test_changing_a_password_is_limited_by_session_alone() -> None:
    limits = LoginLimits(10)
    while limits.take("ann", "198.51.100.1", 0.0) == 0:
        pass
    assert sum(limits.take_of_session(7, 0.0) == 0 for _ in range(50)) == 10
    assert limits.take_of_session(8, 0.0) == 0
    limits.session_succeeded(8, 0.0)
    assert limits.take("ann", "192.0.2.1", 0.0) == 0


def test_the_log_is_bounded() -> None:
    limits = LoginLimits(10)
    assert sum(limits.may_log(0.0) for _ in range(100)) == 10
