"""Rates: token buckets per user and address before every command that writes."""

import time
from collections import OrderedDict

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from support.server_kit import Client, RefusedError, client_id, connect, enter

from chatsrv.auth import rates
from chatsrv.auth.rates import UNLIMITED, Cost, Rate, Rates
from chatsrv.commands.costs import COSTS, UNMETERED_BOUNDS
from chatsrv.commands.table import HANDLERS
from chatsrv.config import Config
from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol.groups import MakeGroup, RenameGroup
from chatsrv_protocol.messages import Send
from chatsrv_protocol.presence import GetProfiles, Typing
from chatsrv_protocol.session import FindPeople


def meter(messages=UNLIMITED, address=UNLIMITED, user_id=1, peer="10.0.0.1"):
    return Rates(messages, UNLIMITED, UNLIMITED, address).meter(user_id, peer, 0.0)


@given(st.floats(0.1, 100), st.integers(1, 50), st.lists(st.floats(0, 3), max_size=80))
def test_never_more_than_the_burst_and_the_rate(per_second, burst, steps):
    mine, now, taken = meter(Rate(per_second, burst)), 1000.0, []
    for later in steps:
        now += later
        wait = mine.take(Cost.MESSAGE, now)
        if wait:
            assert mine.take(Cost.MESSAGE, now + wait * 0.999 - 1e-9) > 0
            now += wait + 1e-6
            assert mine.take(Cost.MESSAGE, now) == 0
        taken.append(now)
    for at, first in enumerate(taken):
        for count, last in enumerate(taken[at:], 1):
            assert count <= burst + per_second * (last - first) + 1e-6


def test_a_burst_then_the_rate():
    mine = meter(Rate(50, 500))
    assert sum(mine.take(Cost.MESSAGE, 10.0) == 0 for _ in range(1000)) == 500
    assert mine.take(Cost.MESSAGE, 10.0) == pytest.approx(0.02)
    assert sum(mine.take(Cost.MESSAGE, 11.0) == 0 for _ in range(1000)) == 50
    assert mine.take(Cost.CHANGE, 11.0) == 0


def test_connections_of_a_user_and_users_of_an_address_share():
    shared = Rates(Rate(1, 10), UNLIMITED, UNLIMITED, Rate(1, 15))
    one, again = shared.meter(1, "10.0.0.1", 0), shared.meter(1, "10.0.0.2", 0)
    assert sum(each.take(Cost.MESSAGE, 5.0) == 0 for each in (one, again) * 10) == 10
    other = shared.meter(2, "10.0.0.1", 0)
    assert sum(other.take(Cost.MESSAGE, 5.0) == 0 for _ in range(20)) == 10
    assert (other.take(Cost.HINT, 5.0), again.take(Cost.HINT, 5.0)) == (1.0, 0)  # hints count for the address too
    assert one.take(Cost.FREE, 5.0) == 0
    assert shared.meter(3, "10.0.0.9", 0).take(Cost.MESSAGE, 5.0) == 0


def test_what_the_address_refuses_costs_the_user_nothing():
    shared = Rates(Rate(1, 2), UNLIMITED, UNLIMITED, Rate(1, 1))
    here = shared.meter(1, "10.0.0.1", 0)
    assert here.take(Cost.MESSAGE, 5.0) == 0
    assert [here.take(Cost.MESSAGE, 5.0) for _ in range(5)] == [1.0] * 5
    assert shared.meter(1, "10.0.0.2", 0).take(Cost.MESSAGE, 5.0) == 0


def test_bytes_and_amounts_are_counted():
    shared = Rates(
        UNLIMITED, Rate(1, 300), UNLIMITED, UNLIMITED, bytes_per_second=Rate(100, 1000), bytes_per_day=Rate(0.1, 2000)
    )
    mine = shared.meter(1, "a", 0.0)
    assert sum(mine.take(Cost.MESSAGE, 0.0, 1.0, 100) == 0 for _ in range(50)) == 10
    assert mine.take(Cost.MESSAGE, 0.0, 1.0, 1) == pytest.approx(0.01, abs=0.02)
    assert sum(mine.take(Cost.MESSAGE, 100.0, 1.0, 100) == 0 for _ in range(50)) == 10
    assert mine.take(Cost.MESSAGE, 1000.0, 1.0, 100) == 0
    assert mine.take(Cost.MESSAGE, 1000.0, 1.0, 100) > 0, "the day's"
    assert sum(mine.take(Cost.CHANGE, 1000.0, 51.0) == 0 for _ in range(20)) == 6


async def test_what_names_many_people_costs_by_their_number(autojump_clock):
    config = attrs.evolve(QUICK, lookups_per_second=1, lookup_burst=100, changes_per_second=1, change_burst=3)
    async with open_test_server(config) as server:
        ann, bob = await enter(server, "ann", "bob")
        await ann.ask(GetProfiles((bob.user_id,) * 100))
        assert await ann.refused(FindPeople(("bob",))) == "rate_limited"
        people = tuple(range(10**6, 10**6 + 30))
        assert await bob.refused(MakeGroup(client_id(), "home", people)) != "rate_limited"
        assert await bob.refused(MakeGroup(client_id(), "home", people)) == "rate_limited"


def test_memory_is_bounded_and_only_full_buckets_are_forgotten(monkeypatch):
    monkeypatch.setattr(rates, "MAX_KEYS", 100)
    shared = Rates(Rate(1, 1), UNLIMITED, UNLIMITED, UNLIMITED)
    shared.meter(1, "a", 0.0).take(Cost.MESSAGE, 1000.0)
    for user_id in range(2, 1000):
        shared.meter(user_id, str(user_id), 1000.0)
    assert len(shared._users) <= 101
    assert len(shared._addresses) <= 101
    assert shared.meter(1, "a", 1000.0).take(Cost.MESSAGE, 1000.0) > 0


class Watched(OrderedDict):
    """A table that counts the entries it was asked for."""

    looks = 0

    def __getitem__(self, key):
        self.looks += 1
        return super().__getitem__(key)

    def items(self):
        self.looks += len(self)
        return super().items()


def test_a_full_table_of_busy_users_makes_no_login_dearer(monkeypatch):
    monkeypatch.setattr(rates, "MAX_KEYS", 1000)
    shared = Rates(Rate(1, 10), UNLIMITED, UNLIMITED, UNLIMITED)
    for user_id in range(1000):
        shared.meter(user_id, "a", 10.0).take(Cost.MESSAGE, 10.0)
    shared._users = Watched(shared._users)
    shared._users.looks = 0
    for user_id in range(2000, 2100):
        shared.meter(user_id, "a", 10.0).take(Cost.MESSAGE, 10.0)
    assert shared._users.looks <= 100 * (rates.SWEEP_KEYS + 1)
    assert shared.meter(0, "a", 10.0).take(Cost.MESSAGE, 10.0) == 0
    for user_id in range(3000, 3100):  # all are full again: the table shrinks while it is used
        shared.meter(user_id, "a", 1000.0)
    assert len(shared._users) <= 1001


def test_it_costs_less_than_a_microsecond():
    config = Config()
    here = Rates(Rate(1e9, config.message_burst), UNLIMITED, UNLIMITED, Rate(1e9, config.address_burst)).meter(
        1, "10.0.0.1", 0
    )
    take, best = here.take, 1.0
    for _ in range(30):
        began = time.thread_time()
        for _ in range(1000):
            take(COSTS.get(Send, Cost.CHANGE), began)
        best = min(best, (time.thread_time() - began) / 1000)
    assert best < 2e-6, best  # 0.6 µs where nobody else is at work


def test_everything_that_writes_costs():
    for command in HANDLERS:
        if any(attribute.name == "client_id" for attribute in attrs.fields(command)):
            assert COSTS.get(command, Cost.CHANGE) != Cost.FREE, command
    assert set(COSTS) <= set(HANDLERS)


LIMITED = attrs.evolve(
    QUICK, heartbeat=100_000.0, messages_per_second=50, message_burst=500, changes_per_second=5, change_burst=10
)


async def test_the_refusal_says_when_to_come_back(autojump_clock):
    async with open_test_server(LIMITED) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        for number in range(500):
            await ann.say(group_id, str(number))
        assert ann.me is not None
        tablet = await Client(await server.dial()).resume(ann.me.token)
        command = Send(client_id(), group_id, "one more")
        with pytest.raises(RefusedError) as caught:
            await tablet.ask(command)
        assert (caught.value.code, caught.value.refused.retry_after) == ("rate_limited", 21)
        await bob.say(group_id, "me too")
        await trio.sleep(caught.value.refused.retry_after / 1000)
        assert (await tablet.ask(command)).seq == 503
        assert await ann.refused(command) == "rate_limited"  # a retry costs too, and is free of effect
        await trio.sleep(10)
        assert (await ann.ask(command)).seq == 503


async def test_changes_hints_and_messages_are_counted_apart(autojump_clock):
    async with open_test_server(attrs.evolve(LIMITED, hints_per_second=1, hint_burst=3)) as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group("home")
        for number in range(9):
            await ann.ask(RenameGroup(client_id(), group_id, f"home {number}"))
        assert await ann.refused(RenameGroup(client_id(), group_id, "home")) == "rate_limited"
        await ann.say(group_id, "still")
        for _ in range(3):
            await ann.ask(Typing(group_id))
        assert await ann.refused(Typing(group_id)) == "rate_limited"


async def test_an_address_has_a_budget_that_reads_do_not_touch(autojump_clock):
    async with open_test_server(attrs.evolve(QUICK, address_per_second=1, address_burst=20)) as server:
        people = [await (await connect(server)).register(f"u{number}") for number in range(5)]
        group_id = await people[0].make_group("home", *people[1:])
        codes = []
        for number in range(30):
            try:
                await people[number % 5].say(group_id, str(number))
            except RefusedError as error:
                codes.append(error.code)
        assert codes == ["rate_limited"] * 11
        assert len(await people[0].texts(group_id)) == 19


def test_every_command_is_metered_or_says_what_bounds_its_cost():
    for command in HANDLERS:
        bound = UNMETERED_BOUNDS.get(command, "")
        assert (COSTS.get(command, Cost.CHANGE) is Cost.FREE) == bool(bound), command
