"""The log: how much of it one fault can fill."""

from typing import Any

import pytest
import structlog

from chatsrv.log import TracebackLimit


def test_tracebacks_a_minute_are_bounded_and_what_was_left_out_is_counted() -> None:
    now = 0.0
    limit = TracebackLimit(2, lambda: now)

    def line(**more: Any) -> Any:
        return limit(None, "error", {"event": "x", **more})

    for _ in range(2):
        assert "left_out" not in line(exc_info=True)
    for _ in range(5):
        with pytest.raises(structlog.DropEvent):
            line(exc_info=True)
    assert line() == {"event": "x"}, "a line without a traceback is never left out"
    now = 60.0
    assert line(exc_info=True)["left_out"].startswith("5 lines")
    assert "left_out" not in line(exc_info=True)
    with pytest.raises(structlog.DropEvent):
        line(exc_info=True)


def test_the_servers_log_has_that_bound(capsys: pytest.CaptureFixture[str]) -> None:
    from chatsrv.log import TRACEBACKS_PER_MINUTE, make_log

    log = make_log("info", "json")
    for _ in range(TRACEBACKS_PER_MINUTE + 20):
        try:
            raise ValueError("a fault")
        except ValueError:
            log.exception("it failed")
    assert capsys.readouterr().err.count("it failed") == TRACEBACKS_PER_MINUTE
