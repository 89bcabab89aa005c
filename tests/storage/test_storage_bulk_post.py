"""Messages of many groups in one call: the same answers and the same rows as group by group, and nobody pays for another."""

import random
from typing import Any

import pytest
import trio
from support.server_kit import START_MS, client_id

from chatsrv_storage.accounts import accounts
from chatsrv_storage.engine.batch import run_batch
from chatsrv_storage.engine.bulk_sql import MAX_ROWS_PER_STATEMENT, execute_rows, query_rows
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import Accepted, Command, GroupTransaction, Outcome, Post
from chatsrv_storage.groups.unit_of_work import UnitOfWork
from chatsrv_storage.idempotency import Once
from chatsrv_storage.interface import SqlConnection, Storage, open_memory_storage
from chatsrv_storage.messages import history
from chatsrv_storage.messages.bulk_post import GroupJob, post_together

ACTORS = [Actor(number, f"user{number}") for number in range(1, 7)]
GROUPS = range(10, 16)
_TABLES = (
    "select group_id, seq, ordinal, sender_id, sent_at, kind, text, data from message order by 1, 2",
    "select user_id, client_id, payload_hash, json_remove(result, '$[2]') from idempotency order by 1, 2",
    "select group_id, user_id, role, read_seq, read_ordinal, own_above, sent_at from group_member order by 1, 2",
    "select id, seq, ordinal, last_seq from chat_group order by 1",
)


async def peopled(storage: Storage) -> None:
    """Six groups: the last two actors are in none; one is slow, in one somebody is muted."""

    def fill(conn: SqlConnection) -> None:
        ids = Snowflake()
        for actor in ACTORS:
            accounts.register(conn, actor.user_id, actor.name, "!", 0)
        for group_id in GROUPS:
            make = lifecycle.make("g\"'", [2, 3, 4], history=True, max_members=9)
            GroupTransaction(conn, group_id, START_MS, ids).run([Command(ACTORS[0], None, make)])
        conn.execute("update chat_group set slow_mode = 10 where id = 11")
        conn.execute("update group_member set muted_until = ? where group_id = 12 and user_id = 2", (2 * START_MS,))

    await storage.write(fill)


def job_of(group_id: int, posts: list[Post], now_ms: int = START_MS) -> GroupJob:
    """A job that has begun."""
    job = GroupJob(group_id, Snowflake(), lambda: (now_ms, posts))
    job.on_batch_start()
    return job


def jobs_of(seed: int, used: list[Once]) -> list[GroupJob]:
    """Some messages to some groups, among them retries, conflicts, strangers, unknown groups and empty texts."""
    dice = random.Random(seed)
    jobs: list[GroupJob] = []
    for group_id in dice.sample([*GROUPS, 99], dice.randint(2, 7)):
        posts: list[Post] = []
        for _ in range(dice.choice([1, 1, 2, 40])):
            actor = dice.choice(ACTORS[:4] * 4 + ACTORS)
            text = dice.choice(["hello", "ö" * 50, "", "nul \0 \U0001f9e7"])
            once = Once(actor.user_id, client_id(), f"{group_id}{text}".encode())
            mine = [each for each in used if each.user_id == actor.user_id]
            if mine and dice.random() < 0.2:
                once = (
                    dice.choice(mine) if dice.random() < 0.5 else once._replace(client_id=dice.choice(mine).client_id)
                )
            used.append(once)
            posts.append(Post(actor, once, text))
        jobs.append(job_of(group_id, posts, START_MS + seed))
    return jobs


def plainly(outcomes: list[list[Outcome]]) -> list[Any]:
    return [
        [
            each.code if isinstance(each, Refusal) else (each.reply[:2], each.reply[3:], len(each.effects))
            for each in several
        ]
        for several in outcomes
    ]


def rows_of(conn: SqlConnection) -> list[Any]:
    return [conn.execute(sql).fetchall() for sql in _TABLES]


async def test_together_is_the_same_as_one_by_one() -> None:
    async with open_memory_storage() as one, open_memory_storage() as other:
        await peopled(one)
        await peopled(other)
        used: list[Once] = []
        codes: set[str] = set()
        for seed in range(40):
            jobs = jobs_of(seed, used)
            alone = [await one.write(job) for job in jobs]
            result = await other.write(lambda conn, jobs=jobs: post_together(conn, jobs))
            assert plainly(alone) == plainly(result), seed
            codes |= {each.code for several in alone for each in several if isinstance(each, Refusal)}
        assert await one.read(rows_of) == await other.read(rows_of)
        assert await other.read(lambda conn: list(history.check(conn))) == []
        assert codes == {"group_unknown", "slow_mode", "muted", "text_empty", "client_id_conflict"}


def post_of(text: str) -> Post:
    return Post(ACTORS[0], Once(1, client_id(), b"h"), text)


def nested_batch(conn: Any, jobs: list[GroupJob]) -> list[Any]:
    """A transaction of its own inside a job's."""
    conn.execute("COMMIT")
    found = run_batch(conn, jobs, lambda: False)
    conn.execute("BEGIN IMMEDIATE")
    return [outcome.unwrap() for outcome in found.outcomes]


async def test_one_client_id_in_two_groups_of_one_transaction_is_a_conflict(caplog: pytest.LogCaptureFixture) -> None:
    async with open_memory_storage() as storage:
        await peopled(storage)
        key = client_id()
        jobs = [job_of(group_id, [Post(ACTORS[0], Once(1, key, bytes([group_id])), "x")]) for group_id in (10, 13)]

        (first,), (second,) = await storage.write(lambda conn: nested_batch(conn, jobs))
        assert isinstance(first, Accepted)
        assert isinstance(second, Refusal)
        assert second.code == "client_id_conflict"
        assert caplog.records == [], "they ran together"


async def test_jobs_that_cannot_run_together_run_alone_and_the_operator_hears_of_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_memory_storage() as storage:
        await peopled(storage)
        write = UnitOfWork.write
        monkeypatch.setattr(UnitOfWork, "write", lambda work: 1 / (2 - len(work.heads)) and write(work))
        jobs = [job_of(group, [post_of("x")]) for group in (10, 13)]
        outcomes = await storage.write(lambda conn: nested_batch(conn, jobs))
        assert [type(outcome) for (outcome,) in outcomes] == [Accepted, Accepted]
        assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


async def test_a_job_takes_what_came_while_it_was_in_line_and_runs_together_only_with_its_like() -> None:
    waiting: list[Post | Command] = [post_of("first")]
    job = GroupJob(10, Snowflake(), lambda: (START_MS, list(waiting)))
    async with open_memory_storage() as storage:
        await peopled(storage)
        outcomes: list[Outcome] = []

        async def write() -> None:
            outcomes[:] = await storage.write(job)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            nursery.start_soon(storage.write, lambda _: waiting.append(post_of("too late")))
            await trio.lowlevel.checkpoint()
            waiting.append(post_of("second"))
        assert [outcome.reply[1] for outcome in outcomes if isinstance(outcome, Accepted)] == [2, 3]
    assert job.run_together is post_together
    waiting.append(Command(ACTORS[0], None, lifecycle.make("g", [], history=True, max_members=9)))
    job.on_batch_start()
    assert job.run_together is None


@pytest.mark.parametrize("count", [0, 1, 3, MAX_ROWS_PER_STATEMENT, 2 * MAX_ROWS_PER_STATEMENT + 7])
async def test_many_rows_are_few_statements(count: int) -> None:
    rows = [(number, f"t{number}") for number in range(count)]

    def both(conn: SqlConnection) -> list[list[Any]]:
        conn.execute("create temp table row (number integer, text text)")
        execute_rows(conn, "insert into row", rows)
        after = ") select json_group_array(json_array(a.n, r.text)) from asked a join row r on r.number = a.n"
        return list(query_rows(conn, "with asked (n, t) as (", rows, after))

    async with open_memory_storage() as storage:
        assert await storage.write(both) == [list(row) for row in rows]
