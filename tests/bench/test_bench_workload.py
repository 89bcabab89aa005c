"""The community of `mixed`: who is where, what follows from answers, and that money which does not add up is noticed."""

from collections import Counter

import pytest

from bench.workers.streams import WrongStream
from bench.workers.workload import DEEDS, SHARES, STAY, Deeds

GROUPS = [(100 + number, [(number + step) % 12 for step in range(6)]) for number in range(5)]


def community() -> Deeds:
    deeds = Deeds(GROUPS, list(range(1000, 1012)))
    deeds.heads = {group_id: 7 for group_id, _ in GROUPS}
    return deeds


def test_all_kinds_happen_and_nobody_acts_where_they_are_not() -> None:
    deeds = community()
    kinds: Counter[str] = Counter()
    for count in range(3000):
        place, kind, group_id, _command = deeds.next(count)
        kinds[kind] += 1
        if kind == "packet":
            deeds.packet_sent(place, group_id, count)
        if group_id:
            assert place in deeds.present(group_id)
    assert kinds.keys() == DEEDS.keys()
    assert all(place in deeds.members[group_id][STAY:] for group_id, place in deeds.moved)


def test_the_busiest_group_has_the_most() -> None:
    deeds = community()
    groups = Counter(deeds.next(count)[2] for count in range(2000))
    assert groups[100] > 1.5 * groups[101]
    assert groups[101] > groups[104]


def test_each_opens_a_packet_once_and_it_adds_up_to_the_cent() -> None:
    deeds = community()
    deeds.preparing[0] = 1
    deeds.packet_sent(0, 100, 55)
    places: list[int] = []
    while (deed := deeds.money("open", 100, 1))[1] == "open":
        places.append(deed[0])
    assert sorted(places) == sorted(deeds.members[100])
    packet = deeds.packets[55]
    packet.left = 0
    deeds.opened(55, SHARES * 10 - 1)
    with pytest.raises(WrongStream, match="1 cents are left"):
        deeds.check_money()
    deeds.opened(55, 1)
    assert deeds.check_money() == 1
    with pytest.raises(WrongStream, match="-1 cents"):
        deeds.opened(55, 1)
