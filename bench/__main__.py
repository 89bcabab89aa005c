"""`python -m bench SCENARIO`: see docs/performance.md."""

import json
import sys
import time
from typing import Any

from bench import run_all
from bench.data.dataset import apart, build
from bench.options import Options, parser
from bench.registry import SCENARIOS
from bench.reporting import cluster_targets, report
from bench.reporting.machine import machine
from bench.scenarios.conversation import Failed
from bench.workers.control import ChildFailed, raise_file_limit
from bench.workers.sockets import LoginFailed


def main(arguments: list[str] | None = None) -> int:
    """Run a scenario; exit code 1 where its proof failed."""
    options = parser(SCENARIOS).parse_args(arguments)
    raise_file_limit()
    if options.scenario == "prepare":
        return prepare(options)
    if options.scenario == "all":
        return run_all.run(options.report, quick=options.quick)
    result: dict[str, Any] = {"scenario": options.scenario, "transport": options.transport, "machine": machine()}
    if options.label:
        result["label"] = options.label
    began = time.monotonic()
    try:
        result |= SCENARIOS[options.scenario](options)
    except (Failed, ChildFailed, LoginFailed) as failed:
        print(f"failed: {failed}", file=sys.stderr)
        return 1
    if options.report:
        report.write(options.report, result)
    print(json.dumps(result) if options.json else shown(result, time.monotonic() - began))
    return 0


def shown(result: dict[str, Any], seconds: float) -> str:
    """Return a table for people: of several nodes as in `all`, each figure beside its target."""
    if result["scenario"] == "cluster":
        return run_all.table(result["machine"], cluster_targets.rows(result), seconds, quick=False)
    return report.table(result)


def prepare(options: Options) -> int:
    """Make a data folder, and the file that says who is in it."""
    if not options.data or not options.town:
        print("prepare needs --data DIR and --town FILE", file=sys.stderr)
        return 2
    groups, members = options.groups or 1, options.members or 500
    town = build(options.data, groups * members, apart(groups, members))
    options.town.write_text(town.dump())
    print(f"{groups * members} people in {groups} groups; now: chatsrv serve --data {options.data} --tcp HOST:PORT")
    return 0


if __name__ == "__main__":
    sys.exit(main())
