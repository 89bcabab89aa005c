"""`startup`: how soon a server with many stored messages is ready, and whether reading costs more than with few.

The large history and the small one have the same groups and members. Reading is measured as the CPU time of the same
queries on both, a round on the one and a round on the other in turn, so that the machine's load falls on both.
"""

import random
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.data.seeded_database import FIRST_GROUP, ME, fill, open_filled
from bench.scenarios.conversation import Failed
from bench.workers import target
from bench.workers.sockets import open_links
from chatsrv_protocol import encode, limits
from chatsrv_protocol.sync import History
from chatsrv_storage.accounts import sessions
from chatsrv_storage.engine.connection import JobConnection, configure_writer, connect
from chatsrv_storage.groups import group_list
from chatsrv_storage.messages import history

GROUPS: Final = 200
SMALL_DATASET_MESSAGES: Final = 10_000
TOKEN: Final = b"a token of startup's own, 32 long"[:32]
PAGE: Final = 20
MESSAGES_PER_INSERT: Final = 10
"""Groups of one CatchUp."""

ROUNDS: Final = 30
QUERIES: Final = 40
PAGE_REPLY: Final = 0x0441


def run(stored: int, *, transport: str = "tcp", few: int = SMALL_DATASET_MESSAGES) -> dict[str, Any]:
    """Fill, start, look, kill, start again; then the reading. Raises Failed where messages are missing."""
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as name:
        large, small, empty = (Path(name) / kind for kind in ("large", "small", "empty"))
        began = time.monotonic()
        made = {folder: _filled(folder, count) for folder, count in ((large, stored), (small, few))}
        filled_in = time.monotonic() - began
        empty.mkdir()
        ready_empty, _ = _start(empty, transport, 0)
        ready, usage = _start(large, transport, made[large])
        ready_again, _ = _start(large, transport, made[large])
        reading = compare(large / "data/chat.sqlite3", small / "data/chat.sqlite3")
        size = (large / "data/chat.sqlite3").stat().st_size
    return {
        "options": {"stored": stored, "few": few, "groups": GROUPS},
        "fill_seconds": round(filled_in, 1),
        "file_bytes": size,
        "ready_seconds": round(ready, 3),
        "ready_seconds_after_a_kill": round(ready_again, 3),
        "ready_seconds_with_nothing": round(ready_empty, 3),
        "server_cpu_seconds_until_ready": round(usage["cpu"], 3),
        "server_rss": usage["rss"],
        "reading": reading,
        "proof": {"messages_stored": made[large] * GROUPS, "heads_read_over_the_wire": True},
    }


def _filled(folder: Path, count: int) -> int:
    """Make a data folder with so many messages; return how many are in each group."""
    (folder / "data").mkdir(parents=True)
    path = folder / "data/chat.sqlite3"
    each = max(PAGE, count // GROUPS)
    fill(path, GROUPS, each)
    conn = connect(path)
    configure_writer(conn, "OFF")
    conn.execute("begin")
    now = time.time_ns() // 1_000_000
    sessions.create(conn, 1, ME, TOKEN, "bench", now)
    # As if all were indexed: what the index holds matters to searches, and bench.scenarios.search measures those.
    conn.execute("insert into search_group (group_id, indexed_seq) select id, seq from chat_group")
    conn.execute("commit")
    conn.execute("pragma wal_checkpoint(truncate)").fetchall()
    conn.close()
    return each


def _start(folder: Path, transport: str, each: int) -> tuple[float, dict[str, Any]]:
    """Return (seconds from the process's start until it listens, what it used by then); it ends by a kill."""
    began = time.monotonic()
    with target.start(folder, transport) as child:
        url = child.hear(600)["urls"][0]
        ready = time.monotonic() - began
        usage = child.ask({})
        if each:
            link = open_links(url, [TOKEN.hex()])[0]
            link.block()
            link.say(encode(History(FIRST_GROUP + GROUPS - 1, limit=1, newest=True), 3))
            page = link.await_frame(PAGE_REPLY)
            link.close()
            if page[6] != each + 1:
                raise Failed(f"the head is {page[6]} after {each} messages")
        child.kill()
    return ready, usage


def compare(large: Path, small: Path) -> dict[str, Any]:
    """Return per kind of query the CPU µs on both, and the ratio, each the median over all rounds."""
    conns = {"large": open_filled(large), "small": open_filled(small)}
    found: dict[str, Any] = {}
    for kind in ("newest", "middle", "catch_up", "list_groups"):
        times: dict[str, list[float]] = {which: [] for which in conns}
        for number in range(ROUNDS):
            for which, conn in conns.items():
                drawn = random.Random(number)
                began = time.process_time_ns()
                for _ in range(QUERIES if kind != "list_groups" else 2):
                    _query(conn, kind, drawn)
                times[which].append((time.process_time_ns() - began) / 1000 / (QUERIES if kind != "list_groups" else 2))
        ratios = [many / few for many, few in zip(times["large"], times["small"], strict=True)]
        found[kind] = {
            "cpu_us_large": round(median(times["large"]), 1),
            "cpu_us_small": round(median(times["small"]), 1),
            "ratio": round(median(ratios), 3),
        }
    for conn in conns.values():
        conn.close()
    return found


def _query(conn: JobConnection, kind: str, drawn: random.Random) -> None:
    """Ask one query, about groups drawn at random; each returns as many events on either history."""
    group_id = FIRST_GROUP + drawn.randrange(GROUPS)
    place = drawn.random()
    if kind == "list_groups":
        views, _, _ = group_list.listed(conn, ME, 0, 0, limits.MAX_PAGE + 1)
        answered, wanted = len(views), min(GROUPS, limits.MAX_PAGE + 1)
    elif kind == "catch_up":
        ranges = [(FIRST_GROUP + number, _head(conn, FIRST_GROUP + number) - 5) for number in _some(group_id)]
        parts, _ = history.catch_up(conn, ME, ranges, limits.MAX_PAGE, limits.MAX_PAGE_BYTES, lambda _: None)
        answered, wanted = sum(len(part.records) for part in parts), 5 * MESSAGES_PER_INSERT
    else:
        head = _head(conn, group_id)
        after = int(place * (head - PAGE)) if kind == "middle" else 0
        records, _, _ = history.page(
            conn, ME, group_id, after, head + 1, PAGE, limits.MAX_PAGE_BYTES, newest=kind == "newest"
        )
        answered, wanted = len(records), PAGE
    if answered != wanted:
        raise Failed(f"{kind} answered {answered} rows of {wanted}")


def _some(group_id: int) -> list[int]:
    return [(group_id - FIRST_GROUP + step * 17) % GROUPS for step in range(MESSAGES_PER_INSERT)]


def _head(conn: JobConnection, group_id: int) -> int:
    (seq,) = conn.execute("select seq from chat_group where id = ?", (group_id,)).fetchone()
    return seq
