"""Lobbies: who is admitted, for how long, and what a sweep of all codes brings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatsrv.face_to_face.attempts import WINDOW, Attempts
from chatsrv.face_to_face.lobbies import TTL, Full, Guest, Lobbies
from chatsrv.face_to_face.places import Network, Place, Point, distance

HOME = Point(52_520_000, 13_405_000)
NEXT_ROOM = Point(52_520_200, 13_405_000)  # 22 m north
STREET = Point(52_521_000, 13_405_000)  # 111 m north
HERE = Network("loopback")


def enter(lobbies, user_id, code="1234", place: Place = HERE, now=0, source="a"):
    return lobbies.enter(Guest(user_id, source, f"u{user_id}"), code, place, now)


def names(lobby):
    return [guest.name for guest in lobby.guests.values()]


def test_who_stands_together_waits_together():
    lobbies = Lobbies(500)
    first = enter(lobbies, 1, place=HOME).lobby
    assert enter(lobbies, 2, place=NEXT_ROOM).lobby is first
    others = [enter(lobbies, 3, place=STREET).lobby, enter(lobbies, 4, code="1235", place=HOME).lobby]
    others.append(enter(lobbies, 5, place=HERE).lobby)
    assert len({lobby.number for lobby in [first, *others]}) == 4
    assert names(first) == ["u1", "u2"]


def test_the_founder_is_the_centre_and_the_nearest_lobby_counts():
    lobbies = Lobbies(500)
    south = enter(lobbies, 1, place=Point(0, 0)).lobby
    enter(lobbies, 2, place=Point(400, 0))  # 44 m: the same lobby
    north = enter(lobbies, 3, place=Point(800, 0)).lobby  # 44 m from the second, 89 m from the founder
    assert north is not south
    assert enter(lobbies, 4, place=Point(410, 0)).lobby is north
    assert enter(lobbies, 5, place=Point(390, 0)).lobby is south
    assert enter(lobbies, 6, place=Point(400, 0)).lobby is south  # equally near: the older


def test_a_lobby_ends_to_the_millisecond_however_many_come():
    lobbies = Lobbies(500)
    first = enter(lobbies, 1, now=1000).lobby
    assert enter(lobbies, 2, now=1000 + TTL - 1).lobby is first
    assert (lobbies.of(1, 1000 + TTL - 1), lobbies.of(1, 1000 + TTL)) == (first, None)
    assert lobbies.close_ended(1000 + TTL - 1) == []
    assert enter(lobbies, 3, now=1000 + TTL).lobby is not first
    assert lobbies.close_ended(1000 + TTL) == [first]
    assert names(first) == ["u1", "u2"]
    assert (len(lobbies), lobbies.people) == (1, 1)


def test_one_lobby_a_user_and_empty_ones_are_gone():
    lobbies = Lobbies(500)
    first = enter(lobbies, 1).lobby
    arrival = enter(lobbies, 1, code="9999")
    assert arrival.left is first
    assert (len(lobbies), lobbies.people) == (1, 1)
    assert enter(lobbies, 1, code="9999").lobby is arrival.lobby
    lobbies.leave(1)
    assert (len(lobbies), lobbies.people) == (0, 0)
    assert lobbies.leave(1) is None


def test_a_lobby_whose_group_exists_stays_until_its_end():
    lobbies = Lobbies(500)
    lobby = enter(lobbies, 1).lobby
    assert lobbies.reserve(lobby, 77) == 77
    assert lobbies.reserve(lobby, 88) == 77
    lobbies.entered(lobby, 1)
    assert lobbies.of(1, 0) is None
    assert enter(lobbies, 2, now=TTL - 1).lobby is lobby
    assert lobbies.waiting(lobby) == [2]
    assert enter(lobbies, 1, now=TTL - 1).lobby is lobby  # may come back to the page
    assert lobbies.waiting(lobby) == [1, 2]


def test_a_lobby_holds_as_many_as_a_group():
    lobbies = Lobbies(3)
    for user_id in (1, 2, 3):
        enter(lobbies, user_id)
    before = enter(lobbies, 4, code="0000").lobby
    with pytest.raises(Full) as caught:
        enter(lobbies, 4)
    assert not caught.value.server
    assert lobbies.of(4, 0) is before


def test_when_memory_is_used_up_the_greedy_pay():
    lobbies = Lobbies(500, max_people=100)
    pair = enter(lobbies, 1, code="5555", place=HOME, source="home").lobby
    for user_id in range(1000, 1099):
        enter(lobbies, user_id, code=f"{user_id}", source="sweeper")
    arrival = enter(lobbies, 2, code="5555", place=NEXT_ROOM, source="phone")
    assert arrival.lobby is pair
    assert [names(lobby) for lobby in arrival.displaced] == [["u1098"]]
    with pytest.raises(Full) as caught:
        enter(lobbies, 3000, code="7777", source="sweeper")
    assert caught.value.server
    assert (lobbies.people, lobbies.of(1098, 0)) == (100, None)


def test_who_is_alone_where_the_newcomer_goes_is_not_displaced_for_them():
    lobbies = Lobbies(500, max_people=3)
    for user_id in (1, 2, 3):
        enter(lobbies, user_id, code=f"000{user_id}", source="greedy")
    arrival = enter(lobbies, 4, code="0003", source="other")
    assert names(arrival.lobby) == ["u3", "u4"]
    assert [names(lobby) for lobby in arrival.displaced] == [["u2"]]


PLACES = [HOME, NEXT_ROOM, STREET, HERE, Network("10.0.0.0/24")]
STEPS = st.tuples(
    st.sampled_from(["enter", "leave", "group", "sweep"]),
    st.integers(1, 5),
    st.sampled_from(["0000", "1111"]),
    st.sampled_from(PLACES),
    st.integers(0, 60_000),
)


@given(st.lists(STEPS, max_size=60))
def test_whatever_happens_nobody_is_where_their_place_does_not_admit_them(steps):
    lobbies, now, at, limit = Lobbies(3, max_people=4), 0, {}, {}
    for deed, user_id, code, place, later in steps:
        now += later
        if deed == "enter":
            try:
                arrival = enter(lobbies, user_id, code, place, now, source=str(user_id % 2))
            except Full:
                continue
            at[user_id] = code, place
            limit.setdefault(arrival.lobby.number, now + TTL)
            assert arrival.lobby.ends_at == limit[arrival.lobby.number]
        elif deed == "leave":
            lobbies.leave(user_id)
        elif deed == "group" and (lobby := lobbies.of(user_id, now)) is not None:
            lobbies.reserve(lobby, 1)
            lobbies.entered(lobby, user_id)
        else:
            lobbies.close_ended(now)
        waiting = [each for lobby in lobbies._by_number.values() for each in lobbies.waiting(lobby)]
        assert sorted(waiting) == sorted(lobbies._of_user)
        assert lobbies.people <= 4
        for lobby in lobbies._by_number.values():
            assert lobby.guests or lobby.group_id
            assert len(lobby.guests) <= 3
            for each in lobbies.waiting(lobby):
                assert at[each][0] == lobby.code
                assert distance(lobby.place, at[each][1]) is not None
        lone = {n for each in lobbies._lone.values() for n in each}
        assert lone == {lobby.number for lobby in lobbies._by_number.values() if lobby.lone}


def test_a_sweep_of_all_codes_learns_nothing_and_an_honest_pair_gets_in():
    """1,000 accounts, all 10,000 codes, 50 live lobbies, from other positions and addresses, over two windows."""
    lobbies, attempts = Lobbies(500), Attempts()
    live = []
    for number in range(50):
        place = Point(40_000_000 + number * 10_000, 8_000_000)
        live.append(enter(lobbies, number + 1, f"{number * 199:04}", place, 0, f"192.0.2.{number}").lobby)
    seen, tried, codes, got_in = set(), set(), iter(range(10_000)), []
    for window in (1000, 1000 + WINDOW):
        for account in range(1000):
            user_id, source = 100_000 + account, f"198.51.100.{account % 20}"
            place = Point(-30_000_000 + account * 10_000, 100_000_000) if account % 2 else Network(source)
            for _ in range(5):
                code = next(codes)
                assert attempts.take(user_id, source, window) == 0
                arrival = enter(lobbies, user_id, f"{code:04}", place, window, source)
                tried.add(code)
                seen.update(guest.name for guest in arrival.lobby.guests.values() if guest.user_id != user_id)
                assert arrival.lobby.group_id == 0
            assert attempts.take(user_id, source, window) > 0
            if account == 500:  # an honest pair in the middle of it, behind an address that sweeps
                source = "198.51.100.7"
                for honest in (window + 1, window + 2):
                    assert attempts.take(honest, source, window) == 0
                    got_in.append(enter(lobbies, honest, "0199", HOME, window, source).lobby)
        lobbies.close_ended(window + WINDOW)
    assert len(tried) == 10_000
    assert seen <= {
        f"u{100_000 + account}" for account in range(1000)
    }  # who sweeps from one address may meet others who do
    assert all(len(lobby.guests) == 1 for lobby in live)
    assert got_in[0] is got_in[1]
    assert got_in[2] is got_in[3]
