"""`python -m bench.scenarios.looks DSN`: what a node's look at the heads of its groups costs, by what changed.

The database is empty before. Groups are made by plain SQL; a change is what a transaction notes of one group. Each look is
asked for as a node does, in a snapshot: for each group, and by change where so many groups of all have changed. µs of CPU of
this process and of PostgreSQL's backend, the median of several.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Final

from chatsrv_storage.accounts import accounts
from chatsrv_storage.engine.shared import SnapshotMark
from chatsrv_storage.groups.cluster_look import look
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.migrate import migrate

CHANGES: Final = (0, 100, 1_000, 10_000)
TIMES: Final = 6


def backend_cpu(pid: int) -> float:
    """Seconds of CPU of a process of PostgreSQL on this machine."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def one_look(
    conn: PostgresConnection, pid: int, groups: list[int], since: SnapshotMark | None
) -> tuple[float, float, SnapshotMark, int]:
    """CPU of this process and of the backend, the look's mark, and how many heads it found."""
    server, client = backend_cpu(pid), time.process_time()
    conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    found = look(conn, groups, [], [], since)
    conn.execute("ROLLBACK")
    assert found.mark is not None
    assert found.knows_changes == (since is not None)
    return time.process_time() - client, backend_cpu(pid) - server, found.mark, len(found.heads)


def measure(dsn: str, groups: int) -> dict[str, Any]:
    """All looks of a database with so many groups."""
    conn, writer = PostgresConnection(dsn), PostgresConnection(dsn)
    migrate(writer, dsn)
    accounts.register(writer, 1, "ann", "!", 0)
    writer.raw.execute(
        "insert into chat_group (id, name, created_by, created_at, seq, ordinal, members, max_members, history, kind)"
        " select n, 'group', 1, 0, 5, 5, 10, 500, 1, 0 from generate_series(1, $1) n",
        [groups],
    )
    writer.execute("analyze")
    writer.execute("set synchronous_commit = off")  # ten thousand commits are not what is measured
    (pid,) = conn.execute("select pg_backend_pid()").fetchone()
    everything = list(range(1, groups + 1))
    found = {"each group": _median([one_look(conn, pid, everything, None) for _ in range(TIMES)])}
    for changed in CHANGES:
        if changed > groups:
            continue
        samples: list[tuple[float, float, SnapshotMark, int]] = []
        _, _, mark, _ = one_look(conn, pid, [], None)
        for _ in range(TIMES):
            for group_id in range(1, changed + 1):
                writer.pipeline.send(b"begin")
                writer.note_heads([(group_id, 6)])
                writer.pipeline.send(b"commit")
            writer.pipeline.close()
            samples.append(one_look(conn, pid, [], mark))
            assert samples[-1][3] == changed
            mark = samples[-1][2]
        found[f"{changed:,} changed"] = _median(samples)
    conn.close()
    writer.close()
    return {"groups": groups, "looks_us": found, "pid": os.getpid()}


def _median(samples: list[tuple[float, float, SnapshotMark, int]]) -> dict[str, int]:
    node = statistics.median(client for client, _, _, _ in samples[2:])
    postgres = statistics.median(server for _, server, _, _ in samples[2:])
    return {"node": round(node * 1e6), "postgres": round(postgres * 1e6)}


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.scenarios.looks", description=__doc__)
    parser.add_argument("dsn")
    parser.add_argument("--groups", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.dsn, options.groups)
    if options.json:
        print(json.dumps(figures))
        return 0
    for name, cpu in figures["looks_us"].items():
        print(f"{name:16} {cpu['node']:8,} + {cpu['postgres']:8,} µs of CPU, node and PostgreSQL")
    return 0


if __name__ == "__main__":
    sys.exit(main())
