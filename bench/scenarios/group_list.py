"""`python -m bench.scenarios.group_list`: what the list of groups (unread, mentions, last message) costs the server, in CPU.

One person with 200 groups of 10,000 messages each; the figure is the CPU of the answer to `ListGroups`, from the
database to the frame. The target is under 5 ms.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from bench.data.seeded_database import ME, fill, open_filled
from chatsrv.app.tuning import server_is_ready, tune_interpreter
from chatsrv.commands.paging import within
from chatsrv.groups.wire import group_of
from chatsrv_protocol import decode, encode, limits
from chatsrv_protocol.limits import LENGTH_BYTES
from chatsrv_protocol.sync import Groups
from chatsrv_storage.engine.jobs import SqlConnection
from chatsrv_storage.groups import group_list

TARGET_MS = 5.0


def answer(conn: SqlConnection) -> bytes:
    """Do what the handler of ListGroups does, without the socket."""
    views, version, _ = group_list.listed(conn, ME, 0, 0, limits.MAX_PAGE + 1)
    page = within([group_of(view) for view in views[: limits.MAX_PAGE]], lambda group: (group.name,))
    return encode(Groups(page, len(views) > len(page), version, reset=False), 1)


def main() -> int:
    """Fill, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m bench.scenarios.group_list", description=__doc__)
    parser.add_argument("--groups", type=int, default=200)
    parser.add_argument("--messages", type=int, default=10_000, help="of each group")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tune_interpreter()
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as folder:
        path = Path(folder) / "chat.sqlite3"
        fill(path, options.groups, options.messages, mentions=3)
        conn = open_filled(path)
        frame = answer(conn)  # once to warm the cache, as a server has been running
        server_is_ready()
        times: list[float] = []
        for _ in range(options.rounds):
            began = time.process_time()
            answer(conn)
            times.append((time.process_time() - began) * 1000)
        conn.close()
    reply = decode(frame[LENGTH_BYTES:]).message
    times.sort()
    figures = {
        "groups": len(reply.groups),
        "messages_each": options.messages,
        "mentions": sum(group.mentions for group in reply.groups),
        "unread": sum(group.ordinal - group.read_ordinal - group.own_above for group in reply.groups),
        "frame_bytes": len(frame),
        "cpu_ms_median": round(times[len(times) // 2], 2),
        "cpu_ms_p90": round(times[len(times) * 9 // 10], 2),
        "target_ms": TARGET_MS,
    }
    print(json.dumps(figures) if options.json else "\n".join(f"{name:16} {value}" for name, value in figures.items()))
    return 0 if times[len(times) // 2] < TARGET_MS else 1


if __name__ == "__main__":
    sys.exit(main())
