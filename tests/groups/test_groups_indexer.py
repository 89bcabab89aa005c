"""The task that feeds the search index: when it works, how often, and what it does with what is left over."""

from typing import Any

import attrs
import trio
import trio.testing

from chatsrv.groups.indexer import FULL_DISK_WAIT, INDEX_BATCH_ROWS, PAUSE, SETTLE, Indexer
from chatsrv.log import quiet_log
from chatsrv_storage.errors import StorageFull


@attrs.define
class Jobs:
    """Stands in for the storage: notes when jobs were written, and answers what they left."""

    times: list[float] = attrs.field(factory=list)
    left: list[list[int]] = attrs.field(factory=list)
    full: int = 0

    async def read(self, _query: Any) -> list[int]:
        await trio.lowlevel.checkpoint()
        return []

    async def write(self, _job: Any) -> list[int]:
        await trio.lowlevel.checkpoint()
        self.times.append(trio.current_time())
        if self.full:
            self.full -= 1
            raise StorageFull
        return self.left.pop() if self.left else []


def start(jobs: Jobs, nursery: trio.Nursery) -> Indexer:
    indexer = Indexer(jobs, quiet_log())  # type: ignore[arg-type]
    nursery.start_soon(indexer.run)
    return indexer


async def test_what_comes_together_is_one_job(nursery: trio.Nursery, autojump_clock: object) -> None:
    jobs = Jobs()
    indexer = start(jobs, nursery)
    await trio.testing.wait_all_tasks_blocked()
    assert jobs.times == []
    for group_id in (1, 2, 1):
        indexer.changed(group_id)
    await trio.sleep(10)
    assert len(jobs.times) == 1
    assert indexer.idle


async def test_a_talking_group_has_two_jobs_a_second(nursery: trio.Nursery, autojump_clock: object) -> None:
    jobs = Jobs()
    indexer = start(jobs, nursery)
    for _ in range(100):
        indexer.changed(1)
        await trio.sleep(0.05)
    assert 5 / SETTLE - 3 <= len(jobs.times) <= 5 / SETTLE
    await trio.sleep(2 * SETTLE)
    assert indexer.idle


async def test_what_is_left_over_follows_after_a_pause(nursery: trio.Nursery, autojump_clock: object) -> None:
    jobs = Jobs(left=[[1], [1]])
    indexer = start(jobs, nursery)
    indexer.changed(1)
    await trio.sleep(10)
    gaps = [after - before for before, after in zip(jobs.times, jobs.times[1:], strict=False)]
    assert len(gaps) == 2
    assert all(PAUSE <= gap < SETTLE for gap in gaps)
    assert indexer.idle


async def test_many_groups_follow_after_a_pause(nursery: trio.Nursery, autojump_clock: object) -> None:
    jobs = Jobs()
    indexer = start(jobs, nursery)
    for group_id in range(2 * INDEX_BATCH_ROWS + 1):
        indexer.changed(group_id)
    await trio.sleep(SETTLE + 10 * PAUSE)
    assert len(jobs.times) == 3
    assert indexer.idle


async def test_a_full_disk_is_waited_for(nursery: trio.Nursery, autojump_clock: object) -> None:
    jobs = Jobs(full=1)
    indexer = start(jobs, nursery)
    indexer.changed(1)
    await trio.sleep(FULL_DISK_WAIT)
    assert len(jobs.times) == 1
    await trio.sleep(2 * FULL_DISK_WAIT * 21)
    assert len(jobs.times) == 2
    assert indexer.idle
