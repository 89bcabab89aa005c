"""Client ids on the server's clock."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from chatsrv.client.client_ids import ClientIds, ServerClock


@given(st.integers(0, 2**47), st.binary(min_size=10, max_size=10))
def test_an_id_is_a_uuid7_of_the_servers_time(now_ms: int, random: bytes) -> None:
    clock = ServerClock(lambda: 0.0)
    clock.heard(now_ms)
    made = uuid.UUID(bytes=ClientIds(clock, lambda count: random[:count]).new())
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == now_ms


def test_the_clock_goes_on_between_what_the_server_says() -> None:
    now = 100.0
    clock = ServerClock(lambda: now)
    clock.heard(5_000)
    now += 1.5
    assert clock.now_ms() == 6_500
    clock.heard(4_000)  # the server's clock was set back
    assert clock.now_ms() == 4_000
