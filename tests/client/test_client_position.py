"""Positions: whatever is live, lost, fetched or held, each event comes once and in order."""

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatsrv.client.following.position import GapInAnswer, ReadPosition


def test_the_next_event_is_handed_out_and_others_are_not() -> None:
    position = ReadPosition(3)
    assert position.live(4, "e4", room=True, hold=True)
    assert not position.live(4, "e4", room=True, hold=True)
    assert not position.live(2, "e2", room=True, hold=True)
    assert not position.behind


def test_a_gap_is_filled_and_what_was_held_follows() -> None:
    position = ReadPosition(0)
    assert not position.live(3, 3, room=True, hold=True)
    assert not position.live(4, 4, room=True, hold=True)
    assert position.behind
    assert position.held == 2
    assert position.fetched(0, [(1, 1), (2, 2)], 2, 4) == [1, 2, 3, 4]
    assert not position.behind
    assert position.held == 0


def test_without_room_the_next_event_is_only_known_of() -> None:
    position = ReadPosition(0)
    assert not position.live(1, 1, room=False, hold=False)
    assert position.behind
    assert position.fetched(0, [(1, 1)], 1, 1) == [1]


def test_a_second_gap_starts_the_held_run_anew() -> None:
    position = ReadPosition(0)
    for seq in (3, 4, 7, 8):
        position.live(seq, seq, room=True, hold=True)
    assert position.held == 2
    assert position.fetched(0, [(1, 1), (2, 2), (3, 3)], 3, 8) == [1, 2, 3]
    assert position.fetched(3, [(4, 4), (5, 5), (6, 6), (7, 7)], 7, 8) == [4, 5, 6, 7, 8]


def test_an_answer_may_begin_later_but_has_no_hole() -> None:
    position = ReadPosition(2)
    assert position.fetched(2, [(8, 8), (9, 9)], 9, 9) == [8, 9]
    with pytest.raises(GapInAnswer):
        position.fetched(9, [(10, 10), (12, 12)], 12, 12)


def test_an_answer_to_a_question_of_before_a_rewind_is_ignored() -> None:
    position = ReadPosition(10)
    position.known(12)
    position.rewind(0)
    assert position.fetched(10, [(11, 11), (12, 12)], 12, 12) == []
    assert position.taken == 0
    assert position.behind


def test_who_left_gets_nothing_and_who_comes_back_nothing_twice() -> None:
    position = ReadPosition(0)
    assert position.live(1, 1, room=True, hold=True)
    position.known(5)
    position.left(7)
    assert not position.behind
    assert not position.live(2, 2, room=True, hold=True)
    assert position.fetched(1, [(2, 2)], 2, 5) == []
    position.joined(0, 8)
    assert position.taken == 1
    position.joined(9, 9)
    assert position.live(10, 10, room=True, hold=True)


def test_what_is_invisible_is_skipped() -> None:
    position = ReadPosition(0)
    position.live(5, 5, room=True, hold=True)
    position.invisible(4)
    assert position.fetched(4, [(5, 5)], 5, 5) == [5]
    position.invisible(3)
    assert position.taken == 5


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(1, 5)),
        st.tuples(st.just("lose"), st.integers(1, 5)),
        st.tuples(st.just("no room"), st.integers(1, 3)),
        st.tuples(st.just("no hold"), st.integers(1, 3)),
        st.tuples(st.just("ask"), st.integers(1, 8)),
        st.tuples(st.just("answer"), st.just(0)),
        st.tuples(st.just("reconnect"), st.just(0)),
        st.tuples(st.just("twice"), st.integers(1, 5)),
    ),
    max_size=60,
)


@given(st.integers(0, 3), STEPS)
@settings(max_examples=300, deadline=None)
def test_any_mixture_of_live_lost_and_fetched_events_comes_once_and_in_order(start: int, steps: Any) -> None:
    position, log, got = ReadPosition(start), start, list[int]()
    asked: list[tuple[int, int, int]] = []  # (after, last, head as it was when the server read it)

    def live(seq: int, *, room: bool = True, hold: bool = True) -> None:
        if position.live(seq, seq, room=room, hold=hold):
            got.append(seq)

    def answer() -> None:
        after, last, head = asked.pop(0)
        fetched = position.fetched(after, [(seq, seq) for seq in range(after + 1, last + 1)], last, head)
        got.extend(cast("list[int]", fetched))

    for kind, count in steps:
        if kind in ("say", "no room", "no hold"):
            for _ in range(count):
                log += 1
                live(log, room=kind != "no room", hold=kind == "say")
        elif kind == "lose":
            log += count
        elif kind == "twice" and log:
            live(max(1, log - count))
        elif kind == "ask" and log > position.taken:
            asked.append((position.taken, min(log, position.taken + count), log))
        elif kind == "answer" and asked:
            answer()
        elif kind == "reconnect":
            asked.clear()
            position.known(log)
        assert got == list(range(start + 1, start + 1 + len(got)))
        assert position.taken == start + len(got)
    position.known(log)
    while position.behind:
        asked = [(position.taken, min(log, position.taken + 4), log)]
        answer()
    assert got == list(range(start + 1, log + 1))
    assert position.held == 0
