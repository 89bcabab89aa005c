"""`python -m bench SCENARIO`: see docs/performance.md."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench import fanout
from bench.control import ChildFailed, raise_file_limit
from bench.machine import machine
from bench.talk import Failed, Talk
from bench.target import Elsewhere
from bench.town import Town


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m bench", description="Load tests of chatsrv: see docs/performance.md")
    made.add_argument("scenario", choices=["fanout", "many-groups"])
    made.add_argument("--server", metavar="URL", help="a server that runs already (with --town); default: start one")
    made.add_argument("--server-pid", type=int, help="its process, if it runs here: to measure CPU and memory")
    made.add_argument("--town", type=Path, help="the file that `prepare` wrote for that server's data folder")
    made.add_argument("--transport", choices=["tcp", "ws", "tls", "wss"], default="tcp")
    made.add_argument("--groups", type=int, help="default 1; many-groups: 1000")
    made.add_argument("--members", type=int, help="of each group; default 500; many-groups: 10")
    made.add_argument("--senders", type=int, help="default 50; many-groups: one a group")
    made.add_argument("--window", type=int, help="messages in flight; default 128; many-groups: 200")
    made.add_argument("--rate", type=float, default=0.0, help="paced: messages a second, instead of a window")
    made.add_argument("--seconds", type=float, default=5.0)
    made.add_argument("--warm-up", type=float, default=1.0)
    made.add_argument("--bytes", type=int, default=128, help="of each message's text")
    made.add_argument("--processes", type=int, default=1, help="load processes")
    made.add_argument("--floor", action="append", choices=["turn", "each"], default=[], help="compare in the same run")
    made.add_argument("--profile", action="store_true", help="where the time goes (needs py-spy; slows the server)")
    made.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run a scenario; exit code 1 where its proof failed."""
    options = parser().parse_args(arguments)
    raise_file_limit()
    result: dict[str, Any] = {"scenario": options.scenario, "transport": options.transport, "machine": machine()}
    try:
        result |= run(options)
    except (Failed, ChildFailed) as failed:
        print(f"failed: {failed}", file=sys.stderr)
        return 1
    print(json.dumps(result, indent=None if options.json else 2))
    return 0


def run(options: argparse.Namespace) -> dict[str, Any]:
    """One scenario's figures."""
    many = options.scenario == "many-groups"
    groups = options.groups or (1000 if many else 1)
    members = options.members or (10 if many else 500)
    senders = options.senders or (groups if many else min(50, members))
    talk = Talk(
        senders=senders,
        window=0 if options.rate else options.window or (200 if many else 128),
        rate=options.rate,
        seconds=options.seconds,
        warm_up=options.warm_up,
        processes=options.processes,
        bytes=options.bytes,
        profile=options.profile,
    )
    return fanout.run(
        talk, groups, members, transport=options.transport, floors=options.floor, elsewhere=elsewhere(options)
    )


def elsewhere(options: argparse.Namespace) -> Elsewhere | None:
    """The server that `--server` names."""
    if not options.server:
        return None
    if not options.town:
        raise SystemExit("--server needs --town FILE, which `python -m bench prepare` writes")
    return Elsewhere(options.server, Town.load(options.town.read_text()), options.server_pid)


if __name__ == "__main__":
    sys.exit(main())
