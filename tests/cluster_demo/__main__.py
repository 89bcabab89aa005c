"""Run the demo: exit code 0 only where everybody saw the same and the books add up."""

import sys
import tempfile
from pathlib import Path

import trio
from support.postgres_kit import programs
from support.redis_kit import redis_program

from chatsrv.cli.errors import Failure
from cluster_demo.play import play

DEBIAN = {"PostgreSQL 15 or newer": "postgresql postgresql-contrib", "Redis": "redis-server"}


def main() -> int:
    """Say what is missing, or play."""
    found = {"PostgreSQL 15 or newer": programs() is not None, "Redis": redis_program() is not None}
    missing = [what for what, there in found.items() if not there]
    if missing:
        packages = " ".join(DEBIAN[what] for what in missing)
        print(
            f"This demo needs {' and '.join(missing)}. On Debian, without a cluster that starts by itself:",
            file=sys.stderr,
        )
        print("    mkdir -p /etc/postgresql-common", file=sys.stderr)
        print("    echo create_main_cluster = false >> /etc/postgresql-common/createcluster.conf", file=sys.stderr)
        print(f"    apt-get install --no-install-recommends {packages}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="chatsrv-cluster-") as folder:
        failures: list[str] = []
        try:
            trio.run(play, Path(folder))
        except* Failure as group:
            failures += _sentences(group)
        for failure in failures:
            print(f"\n✘ {failure}", file=sys.stderr)
        if failures:
            return 1
    return 0


def _sentences(group: BaseExceptionGroup[Failure]) -> list[str]:
    return [
        sentence
        for each in group.exceptions
        for sentence in (_sentences(each) if isinstance(each, BaseExceptionGroup) else [str(each)])
    ]


if __name__ == "__main__":
    sys.exit(main())
