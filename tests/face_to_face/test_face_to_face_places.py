"""Places: geohash cells, distances and networks."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatsrv.auth.rates import source_of
from chatsrv.face_to_face.places import (
    CAP,
    EARTH,
    MILLION,
    RADIUS,
    Network,
    Point,
    cell_of,
    cells_near,
    distance,
    from_text,
    metres,
    network_of,
    to_text,
)

POINTS = st.builds(Point, st.integers(-90 * MILLION, 90 * MILLION), st.integers(-180 * MILLION, 180 * MILLION))
BEARINGS = st.floats(0, 2 * math.pi)


def moved(point: Point, bearing: float, by: float) -> Point:
    """The point so many metres away, by the formula for a great circle."""
    lat, lon, angle = math.radians(point.lat / MILLION), math.radians(point.lon / MILLION), by / EARTH
    there = math.asin(math.sin(lat) * math.cos(angle) + math.cos(lat) * math.sin(angle) * math.cos(bearing))
    turn = math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(lat), math.cos(angle) - math.sin(lat) * math.sin(there)
    )
    east = (math.degrees(lon + turn) + 540) % 360 - 180
    return Point(round(math.degrees(there) * MILLION), round(east * MILLION))


def vector_metres(one: Point, other: Point) -> float:
    """The same distance another way: by the angle between two vectors."""

    def vector(point: Point) -> tuple[float, float, float]:
        lat, lon = math.radians(point.lat / MILLION), math.radians(point.lon / MILLION)
        return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)

    return EARTH * 2 * math.asin(min(1.0, math.dist(vector(one), vector(other)) / 2))


EDGES = [Point(CAP - 10, 0), Point(CAP + 10, 5), Point(-CAP, 7), Point(90 * MILLION, 0), Point(0, 180 * MILLION)]


@given(POINTS, BEARINGS, st.floats(0, 60))
@example(EDGES[0], 0.1, 49.0)
@example(EDGES[1], math.pi, 49.0)
@example(EDGES[2], 0.0, 49.0)
@example(EDGES[3], 1.0, 49.0)
@example(EDGES[4], math.pi / 2, 49.0)
@example(Point(0, -180 * MILLION), 3 * math.pi / 2, 49.0)
def test_no_pair_within_the_radius_is_missed_by_the_cells_and_none_beyond_is_matched(founder, bearing, by):
    newcomer = moved(founder, bearing, by)
    apart = vector_metres(founder, newcomer)
    if apart <= RADIUS - 0.001:
        assert cell_of(founder) in cells_near(newcomer)
        assert distance(founder, newcomer) is not None
    if apart > RADIUS + 0.001:
        assert distance(founder, newcomer) is None


@given(POINTS, POINTS)
def test_haversine_agrees_with_vectors_everywhere(one, other):
    assert metres(one, other) == pytest.approx(vector_metres(one, other), rel=1e-6, abs=0.01)
    assert metres(one, other) == pytest.approx(metres(other, one))


@given(POINTS)
def test_a_search_looks_into_few_cells(point):
    cells = cells_near(point)
    assert (
        len(set(cells))
        == len(cells)
        <= (4 if abs(point.lat) < 49 * MILLION else 6 if abs(point.lat) < 70 * MILLION else 100)
    )
    assert cell_of(point) in cells


def test_cells_are_those_of_geohash():
    assert cell_of(Point(57_649_110, 10_407_440)) == "u4pruyd"  # the example of the original geohash.org
    assert cell_of(Point(42_600_000, -5_600_000)) == "ezs42e4"
    assert cell_of(Point(0, 180 * MILLION)) == cell_of(Point(0, -180 * MILLION))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("127.0.0.1", "::1", True),
        ("127.0.0.1", "127.9.8.7", True),
        ("192.168.1.4", "192.168.1.77", True),
        ("192.168.1.4", "192.168.2.4", False),
        ("10.1.2.3", "::ffff:10.1.2.99", True),
        ("fd00:1:2:3::1", "fd00:1:2:3:4::5", True),
        ("fd00:1:2:3::1", "fd00:1:2:4::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("fe80::1%eth0", "fe80::2%eth1", False),
        ("127.0.0.1", "192.168.1.4", False),
    ],
)
def test_without_a_position_the_network_counts(one, other, same):
    assert (network_of(one, "private") == network_of(other, "private")) is same
    assert network_of(one, "off") is None


def test_public_addresses_need_a_position_unless_the_operator_allows_it():
    for peer in ("203.0.113.9", "2001:db8::1", "100.64.0.1"):
        assert network_of(peer, "private") is None
        assert network_of(peer, "any") is not None
    assert network_of("203.0.113.9", "any") != network_of("203.0.113.10", "any")
    assert network_of("2001:db8::1", "any") == network_of("2001:db8::2", "any")
    assert network_of("local", "any") is None


def test_budgets_are_counted_per_household():
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff") != source_of("2001:db8:0:1::1")
    assert source_of("10.0.0.1") != source_of("10.0.0.2")
    assert source_of("::1") == source_of("127.0.0.1") == "loopback"
    assert source_of("gone") == "gone"


@given(st.one_of(POINTS, st.builds(Network, st.text(max_size=20))))
def test_a_stored_place_is_the_same(place):
    assert from_text(to_text(place)) == place


def test_a_network_and_a_position_never_match():
    assert distance(Network("loopback"), Point(0, 0)) is None
