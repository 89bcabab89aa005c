"""The simulation of feeds at scale: it holds with the server's rules, and notices where one of them is missing."""

import pytest

from bench.scenarios import feeds
from chatsrv.bus import LocalBus
from chatsrv.bus.parcels import EventFrame, Left, Parcel

SMALL = feeds.Plan(nodes=10, groups=200, people=20, rate=1.0, seconds=20.0, loss=0.05, double=0.1, removals=0.05)


def test_a_lossy_bus_that_is_away_for_a_while_costs_time_and_nothing_else() -> None:
    figures = feeds.simulate(SMALL, 2)
    assert figures["deliveries"] > 2_000
    assert figures["removals"] > 20
    assert figures["repaired"] > 100
    assert figures["p50_ms"] < 100 < figures["away_p50_ms"]
    assert figures["away_max_ms"] < 2_500


def test_the_same_seed_is_the_same_run() -> None:
    assert feeds.simulate(SMALL, 1) == feeds.simulate(SMALL, 1)


def test_without_looks_something_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds.Node, "_looked", lambda _self, _heads: None)
    with pytest.raises(feeds.Broken, match="were told"):
        feeds.simulate(SMALL, 1)


def test_without_removals_in_the_sequence_somebody_hears_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = LocalBus.take

    def take(bus: LocalBus, parcel: Parcel) -> None:
        items = [each for each in parcel.items if not isinstance(each, Left)]
        whole(bus, Parcel(parcel.group_id, parcel.first, parcel.last, items))

    monkeypatch.setattr(LocalBus, "take", take)
    with pytest.raises(feeds.Broken, match="after the removal"):
        feeds.simulate(SMALL, 1)


def test_events_that_are_told_as_they_come_are_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(bus: LocalBus, parcel: Parcel) -> None:
        for ear in {ear for user in bus.users() for ear in bus.connections(user)}:
            assert isinstance(ear, feeds.Ear)
            for item in parcel.items:
                if isinstance(item, EventFrame) and parcel.group_id in ear.last:
                    ear.put_event(feeds.SharedFrames(item.frame, 1))

    monkeypatch.setattr(LocalBus, "take", take)
    with pytest.raises(feeds.Broken):
        feeds.simulate(SMALL, 1)


def test_what_a_feed_costs_is_measured() -> None:
    figures = feeds.costs(groups=100, events=1_000)
    assert 0 < figures["heard_us"] < 1_000
    assert 0 < figures["bytes_a_feed"] < 10_000
