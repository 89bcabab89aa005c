"""The systemd units of examples/cluster as processes: each unit's ExecStart with its environment, folder, limits and signals.

As in test_real_composition.py each machine is a loopback address of its own, and names of machines and folders are replaced by
what is here. What systemd itself does (users, ProtectSystem, DynamicUser) is not tried; `systemd-analyze verify` reads the files.
"""

import os
import resource
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import attrs
import httpx
import trio
from support.cli_kit import CHATSRV, PASSWORD, environment
from support.media_kit import moto_server
from support.ports import is_listening
from support.postgres_kit import require_postgres, serving_postgres
from support.real_cluster_kit import CREATE
from support.redis_kit import redis_program, require_redis

from chatsrv.client import open_client
from chatsrv_protocol.messages import Message

EXAMPLE: Final = Path(__file__).parent.parent.parent / "examples" / "cluster"
PREFIX: Final = f"127.{192 + os.getpid() % 32}.{os.getpid() // 32 % 256}"
MACHINES: Final = {name: f"{PREFIX}.{number}" for number, name in enumerate(("node1", "node2", "bus1", "bus2"), 1)}
START_SECONDS: Final = 120


def directives(unit: str) -> dict[str, list[str]]:
    """The values of each directive of a unit's section [Service]."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in (EXAMPLE / unit).read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@attrs.define(eq=False)
class Machine:
    """One that runs an instance of a unit, as systemd would."""

    name: str
    unit: str
    folder: Path
    replaced: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None

    def here(self, text: str) -> str:
        """A text of the unit with this machine's name, addresses and folders."""
        text = text.replace("%i", self.name)
        for old, new in self.replaced.items():
            text = text.replace(old, new)
        return text

    def start(self) -> None:
        """Run ExecStart; returns once the unit counts as started."""
        of = directives(self.unit)
        (line,) = of["ExecStart"]
        words = [self.here(word) for word in shlex.split(line)]
        redis = redis_program()
        assert redis is not None
        program = {"/opt/chatsrv/bin/chatsrv": CHATSRV, "/usr/bin/redis-server": [redis]}[words[0]]
        for state in of.get("StateDirectory", []):
            place = Path(self.here(f"/var/lib/{state}"))
            place.mkdir(parents=True, exist_ok=True, mode=int(of["StateDirectoryMode"][0], 8))
        given = dict(self.here(each).split("=", 1) for each in of.get("Environment", []))
        for each in of.get("EnvironmentFile", []):
            given |= dict(entry.split("=", 1) for entry in Path(self.here(each)).read_text().split())
        (files,) = of["LimitNOFILE"]
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

        def bound() -> None:
            wanted = min(int(files), most)
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))

        notify = f"@chatsrv-{os.getpid()}-{self.name}"  # abstract: a path has 108 bytes at most
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as told:
            told.bind(notify.replace("@", "\0"))
            told.settimeout(START_SECONDS)
            if of.get("Type") == ["notify"]:
                given["NOTIFY_SOCKET"] = notify
            with (self.folder / f"{self.name}.log").open("ab") as log:
                self.process = subprocess.Popen(
                    [*program, *words[1:]], stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                    env=environment(self.folder, **given, CHATSRV_PASSWORD_TIME="1", CHATSRV_PASSWORD_MEMORY="8"),
                    preexec_fn=bound,  # noqa: PLW1509
                )  # fmt: skip
            if "NOTIFY_SOCKET" in given:
                try:
                    assert told.recv(1000) == b"READY=1"
                except TimeoutError:
                    raise AssertionError(self.said()) from None

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End it as systemd does; its exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        seconds = directives(self.unit).get("TimeoutStopSec", ["90"])[0]
        return self.process.wait(float(seconds))

    def close(self) -> None:
        """End it if it lives."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        """What it wrote."""
        return (self.folder / f"{self.name}.log").read_text()

    def wait_ready(self) -> None:
        """Wait until a node is green, as HAProxy asks it."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(OSError), closing(HTTPConnection(MACHINES[self.name], 7009, timeout=30)) as connection:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)


@contextmanager
def machines(folder: Path) -> Generator[dict[str, Machine]]:
    """Two buses and two nodes by their units, on a PostgreSQL and a bucket."""
    with serving_postgres() as postgres, moto_server() as s3, ExitStack() as stack:
        postgres.execute(CREATE)
        httpx.put(f"{s3}/chat").raise_for_status()
        at = folder / "etc"
        at.mkdir()
        found: dict[str, Machine] = {}
        shared = {
            "postgresql://chat@db1.example,db2.example,db3.example/chat?target_session_attrs=read-write": (
                f"{postgres.dsn('chat')}{'&' if '?' in postgres.dsn('chat') else '?'}target_session_attrs=read-write"
            ),
            "https://s3.example": s3,
            "bus1.example": MACHINES["bus1"],
            "bus2.example": MACHINES["bus2"],
        }
        for name, address in MACHINES.items():
            unit = "chatsrv-node@.service" if name.startswith("node") else "chatsrv-bus.service"
            own = {"/etc/chatsrv/node.toml": str(at / f"{name}.toml"), "/etc/chatsrv": str(at)}
            own |= {"/var/lib/chatsrv": str(folder / "lib" / "chatsrv"), "0.0.0.0": address}
            found[name] = Machine(name, unit, folder, shared | own)
            stack.callback(found[name].close)
            text = (EXAMPLE / "chatsrv-node.toml").read_text()
            for old, new in found[name].replaced.items():
                text = text.replace(old, new)
            (at / f"{name}.toml").write_text(text)
        (at / "node.env").write_text("CHATSRV_MEDIA_S3_SECRET_KEY=secret\n")
        (at / "pgpass").write_text("")
        (at / "pgpass").chmod(0o600)
        for name, machine in found.items():
            if name.startswith("bus"):
                machine.start()
                while not is_listening(6379, MACHINES[name]):
                    assert machine.process is not None
                    assert machine.process.poll() is None, machine.said()
                    time.sleep(0.05)
        for name, machine in found.items():
            if name.startswith("node"):
                machine.start()
                machine.wait_ready()
        yield found


async def _say(texts: list[str], *at: str) -> list[str]:
    """Two people on these nodes talk in a new group; what the second finds stored."""
    with trio.fail_after(START_SECONDS):
        async with (
            open_client(f"tcp://{MACHINES[at[0]]}:7000") as ann,
            open_client(f"tcp://{MACHINES[at[1]]}:7000") as bob,
        ):
            await ann.login("ann", PASSWORD)
            await bob.login("bob", PASSWORD)
            (found,) = await ann.people.find(["bob"])
            group_id = (await ann.groups.create("weekend", [found.user_id])).group_id
            for text in texts:
                await ann.group(group_id).send(text)
            stored = [event async for event in bob.group(group_id).iterate_history()]
            return [event.text for event in stored if isinstance(event, Message)]


async def test_the_units_run_a_cluster_that_is_stopped_killed_and_started_again(tmp_path: Path) -> None:
    require_postgres()
    require_redis()
    with machines(tmp_path) as running:
        for name, node in (("ann", "node1"), ("bob", "node2")):
            async with open_client(f"tcp://{MACHINES[node]}:7000") as client:
                await client.register(name, PASSWORD)
        assert await _say(["hello"], "node1", "node2") == ["hello"]
        assert running["node1"].stop() == 0, running["node1"].said()
        assert await _say(["node1 is stopped"], "node2", "node2") == ["node1 is stopped"]
        running["node2"].stop(signal.SIGKILL)
        for name in ("node1", "node2"):  # by whoever operates it, and by Restart=always
            await trio.to_thread.run_sync(running[name].start)
            await trio.to_thread.run_sync(running[name].wait_ready)
        assert await _say(["both again"], "node1", "node2") == ["both again"]
        assert running["bus1"].stop() == 0
        assert await _say(["one bus"], "node2", "node1") == ["one bus"]
