"""`python -m bench SCENARIO`: see docs/performance.md."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import connect, deaf, fanout, idle, mixed, redpack, report, startup, sync
from bench.control import ChildFailed, raise_file_limit
from bench.machine import machine
from bench.talk import Failed, Talk
from bench.target import Elsewhere
from bench.town import Town, apart, build

Options = argparse.Namespace


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m bench", description="Load tests of chatsrv: see docs/performance.md")
    scenario = made.add_argument("scenario", choices=[*SCENARIOS, "prepare"])
    scenario.help = "prepare: make the data folder of a town, for a server that you start yourself"
    place = made.add_argument_group("what is loaded (default: a server of its own, durable, on this machine)")
    place.add_argument("--server", metavar="URL", help="fanout, many-groups: a server that runs already")
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
    load.add_argument("--window", type=int, help="messages in flight: fanout 128, many-groups 200")
    load.add_argument("--rate", type=float, default=0.0, help="paced instead: messages (mixed: deeds) a second")
    load.add_argument("--seconds", type=float, default=5.0)
    load.add_argument("--warm-up", type=float, default=1.0)
    load.add_argument("--bytes", type=int, help="of each message's text: 128; deaf 4096")
    load.add_argument("--deaf", type=int, default=50, help="deaf: members that never read")
    load.add_argument("--drain-timeout", type=float, default=30.0, help="deaf: the server's deadline for them")
    load.add_argument("--missed", type=int, default=5, help="sync: messages each client lacks in each group")
    load.add_argument(
        "--stored", type=int, default=0, help="sync: messages of each group before those; startup: 1000000 in all"
    )
    load.add_argument("--opens", type=int, default=10_000, help="redpack: of each round")
    load.add_argument("--processes", type=int, default=1, help="load processes")
    load.add_argument("--quick-hashes", action="store_true", help="connect: cheap password hashes (for tests)")
    answer = made.add_argument_group("the answer")
    answer.add_argument(
        "--floor", action="append", choices=["turn", "each"], default=[], help="compare in the same run"
    )
    answer.add_argument("--profile", action="store_true", help="where the time goes (needs py-spy; slows the server)")
    answer.add_argument("--json", action="store_true", help="one JSON object on one line of stdout")
    answer.add_argument("--report", type=Path, metavar="DIR", help="write JSON, a Markdown table and SVG plots there")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run a scenario; exit code 1 where its proof failed."""
    options = parser().parse_args(arguments)
    raise_file_limit()
    if options.scenario == "prepare":
        return prepare(options)
    result: dict[str, Any] = {"scenario": options.scenario, "transport": options.transport, "machine": machine()}
    try:
        result |= SCENARIOS[options.scenario](options)
    except (Failed, ChildFailed) as failed:
        print(f"failed: {failed}", file=sys.stderr)
        return 1
    if options.report:
        report.write(options.report, result)
    print(json.dumps(result) if options.json else report.table(result))
    return 0


def prepare(options: Options) -> int:
    """A data folder, and the file that says who lives in it."""
    if not options.data or not options.town:
        print("prepare needs --data DIR and --town FILE", file=sys.stderr)
        return 2
    groups, members = options.groups or 1, options.members or 500
    town = build(options.data, groups * members, apart(groups, members))
    options.town.write_text(town.dump())
    print(f"{groups * members} people in {groups} groups; now: chatsrv serve --data {options.data} --tcp HOST:PORT")
    return 0


def elsewhere(options: Options) -> Elsewhere | None:
    """The server that `--server` names."""
    if not options.server:
        return None
    if not options.town:
        raise SystemExit("--server needs --town FILE, which `python -m bench prepare` writes")
    return Elsewhere(options.server, Town.load(options.town.read_text()), options.server_pid)


def talk_of(options: Options, senders: int, window: int, size: int = 128) -> Talk:
    """What the load does."""
    return Talk(
        senders=senders,
        window=0 if options.rate else options.window or window,
        rate=options.rate,
        seconds=options.seconds,
        warm_up=options.warm_up,
        processes=options.processes,
        bytes=options.bytes or size,
        profile=options.profile,
    )


def run_fanout(options: Options) -> dict[str, Any]:
    """One group."""
    members = options.members or 500
    talk = talk_of(options, options.senders or min(50, members), 128)
    return fanout.run(
        talk,
        options.groups or 1,
        members,
        transport=options.transport,
        floors=options.floor,
        elsewhere=elsewhere(options),
    )


def run_many_groups(options: Options) -> dict[str, Any]:
    """Many small ones."""
    groups = options.groups or 1000
    return fanout.run(
        talk_of(options, options.senders or groups, 200),
        groups,
        options.members or 10,
        transport=options.transport,
        floors=options.floor,
        elsewhere=elsewhere(options),
    )


def run_idle(options: Options) -> dict[str, Any]:
    """Memory."""
    return idle.run(
        options.connections or 5000, transport=options.transport, watch=min(2.0, options.seconds), floors=options.floor
    )


def run_connect(options: Options) -> dict[str, Any]:
    """Logins."""
    return connect.run(
        options.connections or 2000,
        options.members or 100,
        options.rate or 50.0,
        options.seconds,
        transport=options.transport,
        real_hash=not options.quick_hashes,
        processes=options.processes,
    )


def run_sync(options: Options) -> dict[str, Any]:
    """Coming back."""
    return sync.run(
        options.connections or 5000,
        options.groups or 10,
        options.missed,
        transport=options.transport,
        stored=options.stored,
        processes=options.processes,
    )


def run_deaf(options: Options) -> dict[str, Any]:
    """Slow readers."""
    members = options.members or 250
    options.rate = options.rate or 20.0
    talk = talk_of(options, min(50, members - options.deaf), 0, 4096)
    return deaf.run(members, options.deaf, talk, drain_timeout=options.drain_timeout, transport=options.transport)


def run_redpack(options: Options) -> dict[str, Any]:
    """Openings."""
    return redpack.run(options.members or 500, options.connections or 50, options.opens, transport=options.transport)


def run_mixed(options: Options) -> dict[str, Any]:
    """A community's day."""
    return mixed.run(options.connections or 200, options.rate or 300.0, options.seconds, profile=options.profile)


def run_startup(options: Options) -> dict[str, Any]:
    """Many stored messages."""
    return startup.run(options.stored or 1_000_000, transport=options.transport)


SCENARIOS: dict[str, Callable[[Options], dict[str, Any]]] = {
    "fanout": run_fanout,
    "many-groups": run_many_groups,
    "connect": run_connect,
    "idle": run_idle,
    "sync": run_sync,
    "redpack": run_redpack,
    "mixed": run_mixed,
    "deaf": run_deaf,
    "startup": run_startup,
}


if __name__ == "__main__":
    sys.exit(main())
