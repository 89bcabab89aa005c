"""Ids rise and never repeat, whatever the clock does."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatsrv_storage.engine.snowflake import EPOCH_MS, MAX_NODE, Snowflake

NOW = EPOCH_MS + 1_000_000


@given(
    clock=st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=50),
    node=st.integers(0, MAX_NODE),
    floor=st.integers(0, 2 * NOW),
)
def test_ids_rise_whatever_the_clock_does(clock: list[int], node: int, floor: int) -> None:
    ids = Snowflake(node, floor)
    made = [ids.next(NOW + jump) for jump in clock for _ in range(3)]
    assert made == sorted(set(made))
    assert all(0 < each < 2**63 for each in made)
    assert all(each >> 12 & MAX_NODE == node for each in made)
    assert all((each >> 22) + EPOCH_MS >= floor for each in made)
    assert ids.latest_ms == (made[-1] >> 22) + EPOCH_MS


def test_a_full_counter_borrows_from_the_next_millisecond() -> None:
    ids = Snowflake()
    made = [ids.next(NOW) for _ in range(10_000)]
    assert made == sorted(set(made))
    assert ids.latest_ms == NOW + 2


def test_nodes_never_meet() -> None:
    one, two = Snowflake(0), Snowflake(1)
    assert not {one.next(NOW) for _ in range(5000)} & {two.next(NOW) for _ in range(5000)}


@pytest.mark.parametrize("node", [-1, MAX_NODE + 1])
def test_a_node_that_is_none(node: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 1023"):
        Snowflake(node)


def test_threads_share_one() -> None:
    ids = Snowflake()
    made: list[list[int]] = [[] for _ in range(4)]

    def work(into: list[int]) -> None:
        into.extend(ids.next(NOW) for _ in range(2000))

    threads = [threading.Thread(target=work, args=(each,)) for each in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each for part in made for each in part}) == 8000


def test_a_clock_from_before_the_epoch() -> None:
    ids = Snowflake()
    assert 0 < ids.next(0) < ids.next(NOW)
