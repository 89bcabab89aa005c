"""`python -m bench.search`: what finding and indexing cost, with 1,000,000 messages in 200 groups of one person.

Indexing: CPU per message, and what it does to the p99 of commits beside it. Searching: milliseconds in one group and in
all of them, for rare words and frequent ones, in Chinese and English. The targets are 50 ms, and 2 ms on the p99.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import trio

from bench.filled import FIRST_GROUP, ME, OTHERS, fill, open_filled
from chatsrv.groups.indexer import AT_ONCE, PAUSE, Indexer
from chatsrv.log import quiet_log
from chatsrv_storage import search
from chatsrv_storage.connection import configure_writer, connect
from chatsrv_storage.idempotency import Once
from chatsrv_storage.port import Storage, open_storage
from chatsrv_storage.records import Actor
from chatsrv_storage.snowflake import Snowflake
from chatsrv_storage.turn import Post, Turn

QUERIES = {"rare Chinese": "红包", "rare English": "deadline", "frequent Chinese": "今天", "frequent English": "bara"}
TARGET_MS = 50.0


def index_all(path: Path) -> float:
    """Index everything in large jobs; answers CPU µs per event."""
    conn = connect(path)
    configure_writer(conn, "OFF")
    left, events, began = (
        search.behind(conn),
        conn.execute("select count(*) from message").fetchone()[0],
        time.process_time(),
    )
    while left:
        conn.execute("begin")
        left = search.index(conn, left, 5000)
        conn.execute("commit")
    conn.execute("pragma wal_checkpoint(truncate)").fetchall()
    conn.close()
    return (time.process_time() - began) * 1e6 / events


def query_times(path: Path, rounds: int) -> dict[str, Any]:
    """Per query, in one group and in all: how many were found, median and worst of the milliseconds it took."""
    conn = open_filled(path)
    figures: dict[str, Any] = {}
    for name, query in QUERIES.items():
        for where, group_id in (("one group", FIRST_GROUP + 7), ("all groups", 0)):
            times: list[float] = []
            found = 0
            for _ in range(rounds):
                began = time.perf_counter()
                records, _more = search.find(conn, ME, query, group_id, 2**62, 20, 256 * 1024)
                times.append((time.perf_counter() - began) * 1000)
                found = len(records)
            times.sort()
            figures[f"{name}, {where}"] = {
                "found": found,
                "ms_median": round(times[len(times) // 2], 2),
                "ms_worst": round(times[-1], 2),
            }
    conn.close()
    return figures


class _Sender:
    """Messages at a fixed rate, each a job of its own; how long each commit took."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._ids = Snowflake(1)
        self._count = 0

    async def send(self, times: list[float], on_change: Any) -> None:
        """One message, as a channel would."""
        self._count += 1
        now_ms = time.time_ns() // 1_000_000
        user_id = OTHERS[self._count % len(OTHERS)]
        group_id = FIRST_GROUP + self._count % 50
        client_id = now_ms.to_bytes(6, "big") + b"\x70\x00" + self._count.to_bytes(8, "big")
        post = Post(Actor(user_id, f"person{user_id}"), Once(user_id, client_id, client_id), "hello bara 今天发红包")
        began = time.perf_counter()
        await self._storage.write(lambda conn: Turn(conn, group_id, now_ms, self._ids).run([post]))
        times.append((time.perf_counter() - began) * 1000)
        on_change(group_id)

    async def paced(self, rate: float, seconds: float, on_change: Any) -> list[float]:
        """Messages at `rate` a second; the sorted milliseconds of their commits."""
        times: list[float] = []
        async with trio.open_nursery() as nursery:
            start = trio.current_time()
            for number in range(round(rate * seconds)):
                await trio.sleep_until(start + number / rate)
                nursery.start_soon(self.send, times, on_change)
        return sorted(times)


def _nobody(_group_id: int) -> None:
    """Without indexing nobody takes note of a change."""


async def beside(folder: Path, rate: float, seconds: float) -> dict[str, Any]:
    """The commits' p50 and p99, without indexing and with it at full tilt beside them."""
    figures: dict[str, Any] = {"rate": rate, "jobs_of": AT_ONCE, "pause_s": PAUSE}
    async with open_storage(folder) as storage:
        sender = _Sender(storage)
        await sender.paced(rate, 1.0, _nobody)
        for name in ("without", "indexing", "without again", "indexing again"):
            indexer = Indexer(storage, quiet_log())
            async with trio.open_nursery() as nursery:
                if name.startswith("indexing"):
                    nursery.start_soon(indexer.run)
                    await trio.sleep(1.0)
                times = await sender.paced(rate, seconds, indexer.changed if name.startswith("indexing") else _nobody)
                nursery.cancel_scope.cancel()
            figures[name] = {
                "p50_ms": round(times[len(times) // 2], 2),
                "p99_ms": round(times[len(times) * 99 // 100], 2),
            }
    return figures


def main() -> int:
    """Fill, index, ask, and measure beside sending."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, help="altogether")
    parser.add_argument("--groups", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--rate", type=float, default=200.0, help="messages a second beside the indexing")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as folder:
        path = Path(folder) / "chat.sqlite3"
        fill(path, options.groups, options.messages // options.groups)
        plain = path.stat().st_size
        figures: dict[str, Any] = {"messages": options.messages, "groups": options.groups}
        figures["indexing_us_per_message"] = round(index_all(path), 1)
        figures["database_mb"], figures["index_mb"] = plain >> 20, path.stat().st_size - plain >> 20
        figures["queries"] = query_times(path, options.rounds)
        live = Path(folder) / "live"
        live.mkdir(mode=0o700)
        fill(live / "chat.sqlite3", 50, max(100, options.messages // 100))
        figures["commits"] = trio.run(beside, live, options.rate, options.seconds)
    print(
        json.dumps(figures, ensure_ascii=False) if options.json else json.dumps(figures, indent=1, ensure_ascii=False)
    )
    slow = [name for name, one in figures["queries"].items() if one["ms_median"] > TARGET_MS]
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
