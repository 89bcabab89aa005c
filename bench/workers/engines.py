"""PostgreSQL and Redis as processes on this machine, for the bench of several nodes, and what they use of it.

Debian's packages in a temporary folder, by the same hands as for the tests. PostgreSQL writes to the disk as shipped.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs
from support.postgres_kit import PostgresServer, programs, serving_postgres
from support.redis_kit import RedisServer, redis_program, serving_redis

CREATE: Final = "create database {} encoding 'UTF8' lc_collate 'C' lc_ctype 'C.UTF-8' template {}"


class EnginesMissing(Exception):
    """PostgreSQL or Redis is not installed."""


@attrs.frozen
class Engines:
    """Both, running. Who leaves `engines` ends them."""

    postgres: PostgresServer
    redis: RedisServer

    def create(self, name: str, template: str = "template0") -> str:
        """Return a new database; answers its DSN."""
        self.postgres.execute(CREATE.format(name, template))
        return self.postgres.dsn(name)

    def postgres_cpu(self) -> float:
        """Return seconds of CPU that all of PostgreSQL's processes used since their start."""
        postmaster = int((self.postgres.folder / "data" / "postmaster.pid").read_text().split()[0])
        ended = _fields(Path(f"/proc/{postmaster}"))[15:17]  # of those that ended, in ticks
        tick = os.sysconf("SC_CLK_TCK")
        return sum(int(ticks) for ticks in ended) / tick + sum(_used(pid) for pid in _family(postmaster))

    def redis_cpu(self) -> float:
        """Return seconds of CPU that Redis used since its start; 0 where it does not run."""
        return sum(_used(pid) for pid in _family(os.getpid()) if _name(pid) in ("redis-server", "valkey-server"))


@contextmanager
def engines(folder: Path) -> Generator[Engines]:
    """Start both in a folder. Raises EnginesMissing."""
    missing = [
        package
        for package, there in (("postgresql postgresql-contrib", programs()), ("redis-server", redis_program()))
        if there is None
    ]
    if missing:
        raise EnginesMissing(f"PostgreSQL 15 or newer and Redis are needed: apt-get install {' '.join(missing)}")
    with serving_postgres("fsync=on", "shared_buffers=256MB") as postgres, serving_redis(folder) as redis:
        yield Engines(postgres, redis)


def _fields(process: Path) -> list[str]:
    """Return the fields of a process's `stat`; the first two, its number and name, are left empty."""
    return ["", "", *(process / "stat").read_text().rpartition(")")[2].split()]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _family(parent: int) -> list[int]:
    """Return a process and its children."""
    found = [parent]
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if int(_fields(process)[3]) == parent:
                    found.append(int(process.name))
            except OSError:
                continue
    return found


def _used(pid: int) -> float:
    """Return seconds of CPU of a process's threads; 0 where it has ended."""
    used = 0.0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            used += int((task / "schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return used
    return used
