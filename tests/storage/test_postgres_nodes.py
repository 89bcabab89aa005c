"""Several nodes on one PostgreSQL: ids that rise along what is locked, and money that is spent once."""

from collections.abc import Callable, Generator

import pytest
from support.nodes_kit import PEOPLE, Node, fresh_database, give, make_group, once_of, open_nodes, register, together
from support.postgres_kit import require_postgres

from chatsrv_redpack import Account, AccountKind, fund_packet
from chatsrv_redpack.ledger import escrow, wallet
from chatsrv_storage.engine.snowflake import Snowflake, time_of
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.money import ledger, packet_audit, payouts
from chatsrv_storage.postgres.lane import RESERVED_MS

ANN, BOB = PEOPLE[:2]


@pytest.fixture
def dsn() -> Generator[str]:
    require_postgres()
    with fresh_database() as made:
        yield made


def test_an_id_that_was_observed_is_below_all_that_come() -> None:
    ahead, behind = Snowflake(7), Snowflake(3)
    for now_ms in (1_900_000_000_000, 1_900_000_000_000, 1_900_000_000_001):
        seen = ahead.next(now_ms)
        behind.observe(seen)
        after = behind.next(now_ms - 5_000)
        assert after > seen
        assert time_of(after) <= time_of(seen) + 1
    latest = ahead.next(1_900_000_000_001)
    ahead.observe(latest)  # its own: nothing changes
    ahead.observe(0)
    assert ahead.next(0) == latest + 1


@pytest.mark.parametrize("ahead_ms", [0, 50, 5_000])
async def test_ids_rise_along_the_sequence_of_a_group_that_two_nodes_write(dsn: str, ahead_ms: int) -> None:
    async with open_nodes(dsn, ahead_ms, 0) as nodes:
        await nodes[0].storage.write(register)
        await make_group(nodes[0], 10)
        ids = [await nodes[turn % 2].say(10, ANN) for turn in range(20)]
        assert ids == sorted(ids)
        found = await nodes[0].storage.read(_message_ids)
        assert found == sorted(found)
        (last_id,) = await nodes[0].storage.read(
            lambda conn: conn.execute("select last_id from chat_group where id = 10").fetchone()
        )
        assert last_id == found[-1]


def _message_ids(conn: SqlConnection) -> list[int]:
    return [number for (number,) in conn.execute("select id from message order by group_id, seq")]


async def test_ids_that_jump_ahead_are_reserved_before_anybody_is_answered(dsn: str) -> None:
    """Else the next holder of the lane could give them out again."""
    async with open_nodes(dsn, 10 * RESERVED_MS, 0) as (ahead, behind):
        await ahead.storage.write(register)
        await make_group(ahead, 10)
        latest = await behind.say(10, ANN)
        reserved = await ahead.storage.read(
            lambda conn: conn.execute("select reserved_until from lane where node = 'node1'").fetchone()[0]
        )
        assert reserved > time_of(latest)


async def test_transfers_of_an_account_rise_though_the_clocks_of_nodes_differ(dsn: str) -> None:
    """An audit replays them by their ids: what was spent first would have come from nothing."""
    async with open_nodes(dsn, 5_000, 0) as (ahead, behind):
        await ahead.storage.write(register)
        await give(ahead, ANN, 100)
        withdrawn = await behind.storage.write(lambda conn: _withdraw(conn, behind, 100))
        balance = await ahead.storage.write(
            lambda conn: payouts.conclude(conn, withdrawn, ahead.ids, ahead.now_ms, paid=False)
        )
        assert balance == 100
        await behind.storage.write(lambda conn: _withdraw(conn, behind, 100))
        assert await behind.storage.read(_problems) == []


def _withdraw(conn: SqlConnection, node: Node, cents: int) -> int:
    return payouts.withdraw_money(conn, once_of(ANN), ANN.user_id, cents, node.ids, node.now_ms)[0]


def _problems(conn: SqlConnection) -> list[str]:
    return [*ledger.check(conn), *packet_audit.check(conn), *payouts.check(conn)]


async def test_two_nodes_never_spend_a_cent_twice(dsn: str) -> None:
    """Each reads a balance and writes what it makes of it: without a lock two of them would spend the same money."""
    start, rounds = 1_000, 40
    purse = Account(AccountKind.WALLET, ANN.user_id)

    async with open_nodes(dsn, 20, 0, inline=False) as nodes:
        await nodes[0].storage.write(register)
        await give(nodes[0], ANN, start)

        def pay(node: Node, packet_id: int) -> Callable[[SqlConnection], int]:
            def script(conn: SqlConnection) -> int:
                number = ledger.next_id(conn, node.ids, node.now_ms, wallet(ANN.user_id), escrow(packet_id))
                return len(ledger.post(conn, fund_packet(number, ANN.user_id, packet_id, 30, node.now_ms)))

            return script

        results = await together(*[lambda n=n: nodes[n % 2].storage.write(pay(nodes[n % 2], n)) for n in range(rounds)])
        paid = sum(result == 2 for result in results)
        assert {type(result) for result in results if result != 2} == {Refusal}
        assert paid == start // 30
        assert await nodes[0].storage.read(lambda conn: ledger.balance_of(conn, purse)) == start - 30 * paid
        assert await nodes[1].storage.read(lambda conn: list(ledger.check(conn))) == []
