"""The command line of the harness."""

import argparse
from collections.abc import Iterable
from pathlib import Path

Options = argparse.Namespace


def parser(scenarios: Iterable[str]) -> argparse.ArgumentParser:
    """Return the parser of the command line, for scenarios of these names."""
    made = argparse.ArgumentParser(prog="python -m bench", description="Load tests of chatsrv: see docs/performance.md")
    scenario = made.add_argument("scenario", choices=[*scenarios, "prepare", "all"])
    scenario.help = (
        "prepare: make the data folder of a town, for a server that you start yourself; all: everything, and one table"
    )
    place = made.add_argument_group("what is loaded (default: a server of its own, durable, on this machine)")
    place.add_argument("--server", metavar="URL", help="fanout, many-groups, idle: a server that runs already")
    place.add_argument("--server-pid", type=int, help="its process, if it runs here: to measure CPU and memory")
    place.add_argument("--town", type=Path, help="the file that `prepare` wrote for its data folder")
    place.add_argument("--data", type=Path, help="prepare: the data folder to make")
    place.add_argument("--transport", choices=["tcp", "ws", "tls", "wss"], default="tcp")
    load = made.add_argument_group("the load (each scenario has its defaults)")
    load.add_argument("--groups", type=int, help="fanout 1, many-groups 1000; sync: of each client, 10")
    load.add_argument("--members", type=int, help="of each group: fanout 500, many-groups 10, deaf 250, redpack 500")
    load.add_argument(
        "--connections", type=int, help="idle 5000, sync 5000, redpack 50, mixed 200; connect: logins 2000"
    )
    load.add_argument("--senders", type=int, help="fanout 50, many-groups one a group")
    load.add_argument("--window", type=int, help="in flight: fanout 128 messages, many-groups 200; redpack 50 openings")
    load.add_argument("--rate", type=float, default=0.0, help="paced instead: messages (mixed: deeds) a second")
    load.add_argument("--seconds", type=float, default=5.0)
    load.add_argument("--warm-up", type=float, default=1.0)
    load.add_argument("--bytes", type=int, help="of each message's text: 128; deaf 4096")
    load.add_argument("--deaf", type=int, default=50, help="deaf: members that never read")
    load.add_argument("--drain-timeout", type=float, default=30.0, help="deaf: the server's deadline for them")
    load.add_argument("--missed", type=int, default=5, help="sync: messages each client lacks in each group")
    load.add_argument(
        "--stored",
        type=int,
        default=0,
        help="sync: messages of each group before those; startup: 1000000 in all; page: 10000 in the long chat",
    )
    load.add_argument("--hidden", type=float, help="page: seconds that a tab is hidden (600; flood 10 s if not given)")
    load.add_argument("--opens", type=int, default=10_000, help="redpack: of each round")
    load.add_argument("--scale", type=float, default=1.0, help="growth: multiplies every size")
    load.add_argument("--rounds", type=int, help="cli: runs of each command, 15; cluster: turns of each side, 3")
    load.add_argument("--processes", type=int, default=1, help="load processes")
    load.add_argument("--quick-hashes", action="store_true", help="connect: cheap password hashes (for tests)")
    answer = made.add_argument_group("the answer")
    answer.add_argument(
        "--floor", action="append", choices=["turn", "each"], default=[], help="compare in the same run"
    )
    answer.add_argument("--profile", action="store_true", help="where the time goes (needs py-spy; slows the server)")
    answer.add_argument("--json", action="store_true", help="one JSON object on one line of stdout")
    answer.add_argument("--report", type=Path, metavar="DIR", help="write JSON, a Markdown table and SVG plots there")
    answer.add_argument("--label", default="", help="what the report's files are called")
    answer.add_argument("--quick", action="store_true", help="all: small and short, to see that everything runs")
    return made
