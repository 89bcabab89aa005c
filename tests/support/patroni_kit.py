"""Three PostgreSQL under Patroni with three etcd, on loopback in a temporary folder: what a cluster's database is made of.

It takes packages, and as root an unprivileged user, as which everything runs, so Patroni may not be below /root:

    apt-get install postgresql-15 postgresql-contrib etcd-server python3-venv
    /usr/bin/python3 -m venv /opt/patroni && /opt/patroni/bin/pip install 'patroni[etcd3]' 'psycopg[binary]'
    make soak-ha CHATSRV_PATRONI=/opt/patroni/bin

Debian 12's Patroni 3.0.2 will not do: there a leader that was stopped for longer than its time, and woke, took the lock back
from the one that led meanwhile, and what that one had acked was lost (in 2 of 2 runs, 399 messages in one).
"""

import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs
import psycopg
import pytest
import trio

from support.ports import free_port_numbers
from support.postgres_kit import programs, require_postgres

NODES: Final = (1, 2, 3)
TTL_SECONDS: Final = 20
"""A leader that says nothing for so long is replaced; Patroni takes no less."""

START_SECONDS: Final = 120
SETTINGS: Final = """
scope: chat
name: n{number}
restapi: {{listen: "127.0.0.1:{rest}", connect_address: "127.0.0.1:{rest}"}}
etcd3: {{hosts: "{etcd}"}}
bootstrap:
  dcs:
    ttl: {ttl}
    loop_wait: 2
    retry_timeout: 3
    maximum_lag_on_failover: 1048576
    synchronous_mode: true
    synchronous_mode_strict: true
    postgresql:
      use_pg_rewind: true
      parameters: {{max_connections: 60, shared_buffers: 32MB, synchronous_commit: "on", wal_log_hints: "on",
        deadlock_timeout: 100ms, max_wal_size: 256MB, min_wal_size: 64MB, wal_keep_size: 128MB}}
  initdb: [{{encoding: UTF8}}, {{locale: C}}, {{lc-ctype: C.UTF-8}}, data-checksums]
postgresql:
  listen: "127.0.0.1:{port}"
  connect_address: "127.0.0.1:{port}"
  data_dir: {folder}/pg{number}
  bin_dir: {bin}
  pgpass: {folder}/pgpass{number}
  pg_hba: ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
  authentication:
    superuser: {{username: chat, password: x}}
    replication: {{username: repl, password: x}}
    rewind: {{username: rewind, password: x}}
  parameters: {{unix_socket_directories: {folder}}}
"""
CREATE: Final = "create database chat encoding 'UTF8' lc_collate 'C' lc_ctype 'C.UTF-8' template template0"


LEAST_VERSION: Final = 4


def _patroni(program: str) -> str:
    """The path of one of Patroni's programs; the name alone where there is none."""
    folder = os.environ.get("CHATSRV_PATRONI")
    return str(Path(folder) / program) if folder else shutil.which(program) or program


def require_patroni() -> None:
    """Skip the test where the packages are missing or too old, and say which."""
    require_postgres()
    missing = [name for name in (_patroni("patroni"), "etcd") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} here: see tests/support/patroni_kit.py")
    said = subprocess.run([_patroni("patroni"), "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.split()[1].split(".")[0]) < LEAST_VERSION:
        pytest.skip(
            f"{said.strip()} loses what was acked when a stopped leader wakes: install {LEAST_VERSION} or newer"
        )


def _server_programs() -> Path:
    """Where all of PostgreSQL's programs are: Patroni runs more of them than a path may have links to."""
    folder = programs()
    assert folder is not None
    return (folder / "initdb").resolve().parent


@attrs.define
class PatroniCluster:
    """The processes and where they are."""

    folder: Path
    rest: list[int] = attrs.field(factory=lambda: free_port_numbers(3))
    ports: list[int] = attrs.field(factory=lambda: free_port_numbers(3))
    client: list[int] = attrs.field(factory=lambda: free_port_numbers(3))
    peer: list[int] = attrs.field(factory=lambda: free_port_numbers(3))
    etcds: "list[subprocess.Popen[Any]]" = attrs.field(factory=list)
    patronis: "dict[int, subprocess.Popen[Any]]" = attrs.field(factory=dict)

    def dsn(self, database: str) -> str:
        """The primary, whichever it is."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"postgresql://chat:x@{hosts}/{database}?target_session_attrs=read-write"

    def spawn(self, log: str, *command: str) -> "subprocess.Popen[Any]":
        """A process of the unprivileged user, in a session of its own."""
        user: dict[str, Any] = {} if os.getuid() else {"user": "nobody", "group": "nogroup"}
        with (self.folder / log).open("ab") as output:
            return subprocess.Popen(
                command, cwd=self.folder, stdout=output, stderr=output, start_new_session=True, **user
            )

    def start_etcd(self) -> None:
        """Start the three."""
        cluster = ",".join(f"e{n}=http://127.0.0.1:{self.peer[n - 1]}" for n in NODES)
        for n in NODES:
            client, peer = f"http://127.0.0.1:{self.client[n - 1]}", f"http://127.0.0.1:{self.peer[n - 1]}"
            self.etcds.append(
                self.spawn(
                    f"etcd{n}.log", "etcd", "--name", f"e{n}", "--data-dir", str(self.folder / f"etcd{n}"),
                    "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                    "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster, "--initial-cluster-state", "new",
                )
            )  # fmt: skip

    def start_patroni(self, number: int) -> None:
        """Start Patroni of one node, which starts its PostgreSQL."""
        settings = self.folder / f"p{number}.yml"
        settings.write_text(
            SETTINGS.format(
                number=number, rest=self.rest[number - 1], port=self.ports[number - 1], folder=self.folder,
                etcd=",".join(f"127.0.0.1:{port}" for port in self.client), bin=_server_programs(), ttl=TTL_SECONDS,
            )
        )  # fmt: skip
        self.patronis[number] = self.spawn(f"patroni{number}.log", _patroni("patroni"), str(settings))

    def members(self) -> dict[int, tuple[str, str]]:
        """(role, state) of each node, as Patroni says; empty where nobody answers."""
        done = subprocess.run(
            [_patroni("patronictl"), "-c", str(self.folder / "p1.yml"), "list", "-f", "json"],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        with suppress(ValueError):
            return {int(row["Member"][1:]): (row["Role"], row["State"]) for row in json.loads(done.stdout)}
        return {}

    async def leader(self) -> int:
        """The leader, once there is one with a synchronous standby and all three run."""
        members: dict[int, tuple[str, str]] = {}
        with trio.move_on_after(START_SECONDS):
            while True:
                members = await trio.to_thread.run_sync(self.members)
                roles = sorted(role for role, _ in members.values())
                if len(members) == 3 and roles[0] == "Leader" and "Sync Standby" in roles and self._all_run(members):
                    return next(number for number, (role, _) in members.items() if role == "Leader")
                await trio.sleep(0.5)
        raise AssertionError(f"the cluster is not complete: {members}")

    def _all_run(self, members: dict[int, tuple[str, str]]) -> bool:
        return all(state in ("running", "streaming") for _, state in members.values())

    def processes_of(self, number: int) -> list[int]:
        """The process ids of a node's Patroni, its PostgreSQL and the backends of that."""
        found = [self.patronis[number].pid]
        with suppress(OSError, ValueError):
            found.append(int((self.folder / f"pg{number}" / "postmaster.pid").read_text().split()[0]))
        for each in Path("/proc").iterdir():
            with suppress(OSError, ValueError, IndexError):
                if int((each / "stat").read_text().rsplit(")", 1)[1].split()[1]) in found[:2]:
                    found.append(int(each.name))
        return found

    def signal(self, number: int, which: signal.Signals) -> list[int]:
        """Send a signal to all processes of a node; answers which they were."""
        processes = self.processes_of(number)
        send_signal(processes, which)
        return processes

    def switch_over(self, number: int) -> None:
        """Have another node lead, as an operator does."""
        subprocess.run(
            [_patroni("patronictl"), "-c", str(self.folder / "p1.yml"), "switchover", "chat", "--leader", f"n{number}", "--force"],
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip

    def stop(self) -> None:
        """Kill all that was started."""
        for number in self.patronis:
            send_signal(self.processes_of(number), signal.SIGCONT)
            self.signal(number, signal.SIGKILL)
        for process in (*self.patronis.values(), *self.etcds):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def send_signal(processes: list[int], which: signal.Signals) -> None:
    """Send a signal to those that still are."""
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, which)


@contextmanager
def patroni_cluster() -> Generator[PatroniCluster]:
    """Three nodes that are coming up; wait for `leader`."""
    require_patroni()
    folder = Path(tempfile.mkdtemp(prefix="chatsrv-ha-"))
    cluster = PatroniCluster(folder)
    if not os.getuid():
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    try:
        cluster.start_etcd()
        for number in NODES:
            cluster.start_patroni(number)
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def make_database(cluster: PatroniCluster) -> str:
    """The database of the servers; answers its DSN."""
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        connection.execute(CREATE)
    return cluster.dsn("chat")


PAUSED_SECONDS: Final = TTL_SECONDS + 12
"""So long a leader is stopped: until another leads, and then some."""


async def planned(cluster: PatroniCluster, leader: int) -> None:
    """An operator has another one lead."""
    await trio.to_thread.run_sync(cluster.switch_over, leader)


async def killed(cluster: PatroniCluster, leader: int) -> None:
    """The machine is gone; it comes back when another leads."""
    cluster.signal(leader, signal.SIGKILL)
    cluster.patronis[leader].wait()
    await trio.sleep(TTL_SECONDS + 5)
    cluster.start_patroni(leader)


async def database_killed(cluster: PatroniCluster, leader: int) -> None:
    """Its PostgreSQL crashes, and Patroni lives."""
    send_signal(cluster.processes_of(leader)[1:2], signal.SIGKILL)
    await trio.sleep(5)


async def paused(cluster: PatroniCluster, leader: int) -> None:
    """The machine stands still for longer than every timeout, and wakes."""
    processes = cluster.signal(leader, signal.SIGSTOP)
    try:
        await trio.sleep(PAUSED_SECONDS)
    finally:
        send_signal(processes, signal.SIGCONT)


WAYS: Final = (planned, killed, database_killed, paused)
