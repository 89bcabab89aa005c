"""Limits of guesses: nobody locks somebody else out."""

from chatsrv.auth.login_limits import MAX_KNOWN, MAX_UNSAVED, NOTE_INTERVAL_MS, LoginLimits

NOW_MS = 1_800_000_000_000


def test_a_strangers_guesses_leave_the_owner_theirs() -> None:
    limits = LoginLimits(10)
    assert sum(limits.take("ann", "198.51.100.1", 0.0) == 0 for _ in range(50)) == 10
    assert limits.refused == 40
    assert limits.take("ann", "192.0.2.1", 0.0) == 0


def test_guesses_of_many_addresses_are_bounded_and_known_addresses_pass() -> None:
    limits = LoginLimits(10)
    assert limits.take("ann", "192.0.2.1", 0.0) == 0
    limits.succeeded("ann", "192.0.2.1", 0.0)
    limits.came_in(1, "ann", "192.0.2.1", NOW_MS)
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


def test_a_pair_is_stored_once_a_day_and_again_until_it_is() -> None:
    limits = LoginLimits(10)
    for after in (0, 1, NOTE_INTERVAL_MS - 1):
        limits.came_in(1, "ann", "192.0.2.1", NOW_MS + after)
    assert limits.unsaved() == limits.unsaved() == [(1, "192.0.2.1")]
    limits.saved([(1, "192.0.2.1")])
    limits.came_in(1, "ann", "192.0.2.1", NOW_MS + 1)
    assert limits.unsaved() == []
    limits.came_in(1, "ann", "192.0.2.1", NOW_MS + NOTE_INTERVAL_MS)
    assert limits.unsaved() == [(1, "192.0.2.1")]


def test_what_is_kept_is_bounded() -> None:
    limits = LoginLimits(10)
    for place in range(MAX_KNOWN + 10):
        limits.came_in(place, f"user {place}", "192.0.2.1", NOW_MS)
    assert len(limits.unsaved()) == MAX_UNSAVED
    assert len(limits._known) == MAX_KNOWN
