"""Several storages on one PostgreSQL, as several nodes have them: each with its lane, its ids and its own idea of the time."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import attrs
import trio

from chatsrv_redpack import grant
from chatsrv_redpack.ledger import ISSUER, wallet
from chatsrv_storage.accounts import accounts
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import Accepted, Command, GroupCommand, Outcome, Post
from chatsrv_storage.idempotency import Once
from chatsrv_storage.interface import SqlConnection, Storage
from chatsrv_storage.messages.bulk_post import GroupJob
from chatsrv_storage.money import ledger
from chatsrv_storage.postgres.storage import open_postgres
from chatsrv_storage.replies import StoredMessage
from support.postgres_kit import shared_postgres
from support.server_kit import START_MS, client_id


@contextmanager
def fresh_database() -> Generator[str]:
    """The DSN of a database of one's own, with the schema."""
    server = shared_postgres()
    dsn = server.create()
    try:
        yield dsn
    finally:
        server.drop(dsn)


@attrs.frozen
class Node:
    """A storage with its ids, on a clock that is `ahead_ms` ahead of the others'."""

    storage: Storage
    ids: Snowflake
    ahead_ms: int = 0

    @property
    def now_ms(self) -> int:
        """What this node's clock says."""
        return START_MS + self.ahead_ms

    async def run(self, group_id: int, *commands: GroupCommand) -> list[Outcome]:
        """The outcomes of one turn of a group."""
        return await self.storage.write(self.job(group_id, *commands))

    def job(self, group_id: int, *commands: GroupCommand) -> GroupJob:
        """One turn of a group."""
        return GroupJob(group_id, self.ids, lambda: (self.now_ms, commands))

    async def say(self, group_id: int, actor: Actor, text: str = "hello") -> int:
        """The id of a message that is stored now."""
        (outcome,) = await self.run(group_id, Post(actor, once_of(actor), text))
        assert isinstance(outcome, Accepted), outcome
        assert isinstance(outcome.reply, StoredMessage)
        return outcome.reply.id


@asynccontextmanager
async def open_nodes(dsn: str, *ahead_ms: int, inline: bool = True) -> AsyncGenerator[list[Node]]:
    """A node for each number: so far is its clock ahead."""
    async with AsyncExitStack() as stack:
        nodes: list[Node] = []
        for place, ahead in enumerate(ahead_ms):
            storage = await stack.enter_async_context(open_postgres(dsn, inline=inline, readers=1, node=f"node{place}"))
            nodes.append(Node(storage, await storage.open_ids(0), ahead))
        yield nodes


def once_of(actor: Actor) -> Once:
    """A client id that nobody used."""
    return Once(actor.user_id, client_id(), b"hash")


PEOPLE = [Actor(number, f"user{number}") for number in range(1, 9)]


def register(conn: SqlConnection, people: Sequence[Actor] = PEOPLE) -> None:
    """Accounts of these people."""
    for actor in people:
        accounts.register(conn, actor.user_id, actor.name, "!", 0)


async def make_group(node: Node, group_id: int, people: Sequence[Actor] = PEOPLE) -> None:
    """A group of all of them, owned by the first."""
    make = lifecycle.make("group", [each.user_id for each in people[1:]], history=True, max_members=100)
    (outcome,) = await node.run(group_id, Command(people[0], None, make))
    assert isinstance(outcome, Accepted), outcome


async def give(node: Node, actor: Actor, cents: int) -> None:
    """Top a wallet up."""

    def script(conn: SqlConnection) -> None:
        number = ledger.next_id(conn, node.ids, node.now_ms, ISSUER, wallet(actor.user_id))
        ledger.post(conn, grant(number, actor.user_id, cents, node.now_ms))

    await node.storage.write(script)


async def together(*calls: Callable[[], Awaitable[Any]]) -> list[Any]:
    """What each call answers, or the error that it raises; all at once."""
    results: list[Any] = [None] * len(calls)

    async def run(number: int, call: Callable[[], Awaitable[Any]]) -> None:
        try:
            results[number] = await call()
        except Exception as error:  # whatever it is, the test looks at it
            results[number] = error

    async with trio.open_nursery() as nursery:
        for number, call in enumerate(calls):
            nursery.start_soon(run, number, call)
    return results
