"""`chatsrv.media.ingest`: the ids of media. What comes in, and what is refused, is tested over HTTP (test_http_*.py)."""

import pytest

from chatsrv.clock import SystemRandomness
from chatsrv.media.ingest import random_id
from chatsrv_protocol.limits import MAX_ID


class Told(SystemRandomness):
    """Bytes that a test says."""

    def __init__(self, told: bytes) -> None:
        self._told = told

    def bytes(self, count: int) -> bytes:
        assert count == len(self._told)
        return self._told


@pytest.mark.parametrize(
    ("told", "media_id"),
    [(bytes(8), 1), (b"\0" * 7 + b"\5", 6), ((MAX_ID - 1).to_bytes(8), MAX_ID), (MAX_ID.to_bytes(8), 1)],
)
def test_ids_are_random_and_in_range(told: bytes, media_id: int) -> None:
    assert random_id(Told(told)) == media_id
    assert 1 <= random_id(SystemRandomness()) <= MAX_ID
