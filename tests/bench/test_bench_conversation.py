"""The proof over several load processes: they agree, and the streams hold what all of them said, no more and no less."""

from typing import Any

import pytest

from bench.scenarios.conversation import Failed, proof, shares, together


def results(**second: Any) -> list[dict[str, Any]]:
    """Two processes with members in the same two groups."""
    first: dict[str, Any] = {"digests": {"1": "a", "2": "b"}, "messages": {"1": 3, "2": 4}, "sent": 5}
    return [first, {**first, "sent": 2, **second}]


TOTALS = {"1": 3, "2": 4}


def test_what_several_processes_said_is_counted_together() -> None:
    assert together([{"said": {"1": 2, "2": 3}}, {"said": {"1": 1, "2": 1}}]) == TOTALS
    assert proof(results(), TOTALS)["messages"] == 7


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"digests": {"1": "a", "2": "c"}}, "different streams"),
        ({"messages": {"1": 3, "2": 5}}, "of 7 messages the streams hold 8"),
        ({"sent": 3}, "more than it said"),
    ],
)
def test_processes_that_disagree_have_no_proof(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Failed, match=sentence):
        proof(results(**wrong), TOTALS)


def test_a_message_that_nobody_received_has_no_proof() -> None:
    with pytest.raises(Failed, match="of 8 messages the streams hold 7"):
        proof(results(), {"1": 4, "2": 4})


def test_a_window_is_shared_out_whole() -> None:
    assert shares(10, 3) == [4, 3, 3]
