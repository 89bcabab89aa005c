"""Time and randomness that are injected, and logs that hold no surprises."""

import json
import time

import pytest
import structlog
import trio
import trio.testing

from chatsrv.clock import SeededRandomness, SystemClock, SystemRandomness, VirtualClock
from chatsrv.log import make_log, quiet_log


def test_the_machines_clock() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= SystemClock().now_ms() <= time.time_ns() // 1_000_000


async def test_virtual_time_follows_trio_and_jumps(autojump_clock: trio.testing.MockClock) -> None:
    clock = VirtualClock(1_000)
    await trio.sleep(1.5)
    assert clock.now_ms() == 2_500
    clock.jump_ms = -2_000
    assert clock.now_ms() == 500


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, two, other = SeededRandomness(1), SeededRandomness(1), SeededRandomness(2)
    assert one.bytes(32) == two.bytes(32) != other.bytes(32)
    assert one.fraction() == two.fraction()


def test_secrets_are_as_long_as_asked_and_differ() -> None:
    randomness = SystemRandomness()
    made = {randomness.bytes(32) for _ in range(100)}
    assert len(made) == 100
    assert {len(each) for each in made} == {32}
    assert all(0 <= randomness.fraction() <= 1 for _ in range(100))


def test_a_log_line_is_json_on_standard_error_and_below_its_level_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = make_log("info", "json")
    log.debug("not this")
    log.info("connection cut", user="ann", reason="x\ny")
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["user"], entry["reason"], entry["level"]) == ("connection cut", "ann", "x\ny", "info")
    assert entry["timestamp"].endswith("Z")


def test_an_error_brings_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        make_log("info", "json").exception("a handler failed")
    assert "ZeroDivisionError" in json.loads(capsys.readouterr().err)["exception"]


def test_a_quiet_log_says_nothing_and_none_touches_global_state(capsys: pytest.CaptureFixture[str]) -> None:
    configured = structlog.is_configured()
    quiet_log().error("nothing")
    make_log("debug", "text").debug("for a person", n=1)
    captured = capsys.readouterr()
    assert "nothing" not in captured.err
    assert "for a person" in captured.err
    assert structlog.is_configured() is configured
