"""Guesses of passwords are counted over all nodes, with the bus and without it, and lock nobody else out."""

import attrs
import pytest
import trio
from support.cluster_kit import Nodes, Trouble, open_nodes
from support.server_kit import PASSWORD, Client, enter

from chatsrv.testing import QUICK
from chatsrv_protocol.session import ChangePassword, Login, Register
from chatsrv_storage.accounts import login_attempts
from chatsrv_storage.accounts.login_attempts import AttemptLimit
from chatsrv_storage.interface import SqlConnection

ATTEMPTS = 5
CONFIG = attrs.evolve(QUICK, login_attempts=ATTEMPTS)


async def _guess(nodes: Nodes, number: int, name: str, password: str = "a wrong password") -> str:
    client = Client(await nodes[number].dial())
    await client.hello()
    return await client.refused(Login(name, password, "device"))


@pytest.mark.parametrize("gone", [False, True])
async def test_going_round_the_nodes_gains_nothing(autojump_clock, gone):
    async with open_nodes(3, config=CONFIG, trouble=Trouble(gone=gone)) as nodes:
        await enter(nodes[0], "ann")
        said = [await _guess(nodes, number % 3, "ann") for number in range(4 * ATTEMPTS)]
        assert said.count("bad_credentials") == ATTEMPTS
        assert said.count("rate_limited") == 3 * ATTEMPTS
        await trio.sleep(60 / ATTEMPTS + 1)
        assert await _guess(nodes, 1, "ann") == "bad_credentials"
        assert await _guess(nodes, 2, "ann") == "rate_limited"


async def test_what_an_address_may_not_guess_any_more_asks_the_database_nothing(autojump_clock, monkeypatch):
    asked: list[str] = []
    is_known = login_attempts.is_known

    def counted(conn: SqlConnection, name_key: str, address: str) -> bool:
        asked.append(name_key)
        return is_known(conn, name_key, address)

    monkeypatch.setattr(login_attempts, "is_known", counted)
    async with open_nodes(2, config=CONFIG) as nodes:
        await enter(nodes[0], "ann")
        said = [await _guess(nodes, 1, "ann") for _ in range(4 * ATTEMPTS)]
    assert said.count("rate_limited") == 3 * ATTEMPTS
    assert asked == ["ann"] * ATTEMPTS


async def test_a_login_is_no_guess(autojump_clock):
    async with open_nodes(2, config=CONFIG) as nodes:
        await enter(nodes[0], "ann")
        for number in range(4 * ATTEMPTS):
            await Client(await nodes[number % 2].dial()).login("ann")


async def test_a_session_guesses_the_old_password_no_faster_on_two_nodes(autojump_clock):
    async with open_nodes(2, config=CONFIG) as nodes:
        (ann,) = await enter(nodes[0], "ann")
        assert ann.me is not None
        other = await Client(await nodes[1].dial()).resume(ann.me.token)
        said = [
            await (ann, other)[number % 2].refused(ChangePassword("a wrong password", "another password"))
            for number in range(4 * ATTEMPTS)
        ]
        assert said.count("bad_credentials") == ATTEMPTS


async def test_an_address_makes_no_more_accounts_on_two_nodes(autojump_clock):
    async with open_nodes(2, config=CONFIG) as nodes:
        for number in range(30):
            await Client(await nodes[number % 2].dial()).register(f"user{number}")
        for number in range(2):
            client = Client(await nodes[number].dial())
            await client.hello()
            assert await client.refused(Register("one more", PASSWORD, "device")) == "rate_limited"


async def test_a_clock_that_was_ahead_locks_nobody_out_for_longer_than_the_window(autojump_clock):
    async with open_nodes(1, config=CONFIG) as nodes:
        limits = [AttemptLimit("p address ann", ATTEMPTS, 60_000)]
        storage, now = nodes.storage, nodes.clock.now_ms()
        assert await storage.write(lambda conn: login_attempts.take(conn, limits, now + 10**9)) == 0
        assert 0 < await storage.write(lambda conn: login_attempts.take(conn, limits, now)) <= 60_000
        await storage.write(lambda conn: login_attempts.sweep(conn, now + 2 * 10**9))
        assert await storage.write(lambda conn: login_attempts.take(conn, limits, now)) == 0
