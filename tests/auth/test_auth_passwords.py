"""Password hashes: what matches, what it costs, how many at a time."""

import threading
import time

import pytest
import trio

from chatsrv.auth.passwords import PasswordHasher


@pytest.mark.parametrize("workers", [0, 1])
async def test_a_hash_matches_its_password_and_no_other(workers: int) -> None:
    passwords = PasswordHasher(1, 8, workers)
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert "correct horse" not in stored
    assert await passwords.matches(stored, "correct horse")
    assert not await passwords.matches(stored, "Correct horse")
    assert await passwords.hash("correct horse") != stored, "salted"


async def test_nobody_matches_nothing_at_the_same_cost() -> None:
    passwords = PasswordHasher(1, 8, 0)
    calls: list[str] = []
    real = passwords._hasher.verify

    def counted(stored: str, password: str) -> bool:
        calls.append(stored)
        return real(stored, password)

    passwords._hasher = type("Hasher", (), {"verify": staticmethod(counted)})()  # type: ignore[assignment]
    assert not await passwords.matches(None, "nobody has this password")
    assert calls == [passwords._nobody]


@pytest.mark.parametrize("stored", ["!", "", "$argon2id$broken", "x" * 1000])
async def test_what_is_no_hash_matches_nothing_at_the_same_cost(stored: str) -> None:
    passwords = PasswordHasher(1, 8, 0)
    calls: list[str] = []
    real = passwords._hasher.verify

    def counted(stored: str, password: str) -> bool:
        calls.append(stored)
        return real(stored, password)

    passwords._hasher = type("Hasher", (), {"verify": staticmethod(counted)})()  # type: ignore[assignment]
    assert not await passwords.matches(stored, "nobody has this password")
    assert calls[-1] == passwords._nobody, "an account that no password opens is not told by its time"
    assert not await passwords.matches(stored, "")
    assert not await passwords.matches(stored, stored or "x")


async def test_at_most_so_many_at_a_time() -> None:
    passwords = PasswordHasher(1, 8, 2)
    running, most = 0, 0
    lock = threading.Lock()
    started = threading.Semaphore(0)

    def slow(password: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        started.release()
        time.sleep(0.01)
        with lock:
            running -= 1
        return password

    passwords._hasher = type("Hasher", (), {"hash": staticmethod(slow)})()  # type: ignore[assignment]
    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(passwords.hash, "x")
    assert most == 2


async def test_a_cancel_does_not_wait_for_the_hash() -> None:
    passwords = PasswordHasher(1, 8, 1)
    go_on = threading.Event()

    def stuck(password: str) -> str:
        go_on.wait(10)
        return password

    passwords._hasher = type("Hasher", (), {"hash": staticmethod(stuck)})()  # type: ignore[assignment]
    try:
        with trio.move_on_after(0.01) as scope:
            await passwords.hash("x")
        assert scope.cancelled_caught
    finally:
        go_on.set()


async def test_who_goes_away_keeps_their_place_until_the_hash_is_done() -> None:
    """Else whoever connects, asks and leaves, again and again, would leave a queue of hashes behind."""
    passwords = PasswordHasher(1, 8, 1)
    go_on, calls = threading.Event(), 0

    def stuck(password: str) -> str:
        nonlocal calls
        calls += 1
        go_on.wait(60)
        return password

    passwords._hasher = type("Hasher", (), {"hash": staticmethod(stuck)})()  # type: ignore[assignment]
    try:
        for _ in range(5):
            with trio.move_on_after(0.01):
                await passwords.hash("x")
    finally:
        go_on.set()
    with trio.fail_after(60):
        assert await passwords.hash("y") == "y"
    assert calls == 2, "the first, and the one who stayed"
