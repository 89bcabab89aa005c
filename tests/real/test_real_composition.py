"""The composition of examples/cluster as processes: each service's own command, with this machine's programs for its images.

Each service has a loopback address of its own, so that ports are those of the composition, and its name is replaced by that
address wherever the composition names it. S3 is moto, since SeaweedFS is in no package of Debian's; `aws` is a script that
does with boto3 what the service `bucket` asks for. What only containers have is not tried: images, networks, volumes.
"""

import os
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import attrs
import psycopg
import pytest
import trio
import trustme
import yaml
from support.cli_kit import CHATSRV, PASSWORD, environment
from support.media_kit import moto_server
from support.ports import is_listening
from support.postgres_kit import programs, require_postgres
from support.redis_kit import redis_program, require_redis

from chatsrv.client import open_client
from chatsrv_protocol.messages import Message

EXAMPLE: Final = Path(__file__).parent.parent.parent / "examples" / "cluster"
PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
NODES: Final = ("node1", "node2", "node3")
SERVICES: Final = ("postgres", "valkey1", "valkey2", *NODES, "balancer")
PREFIX: Final = f"127.{64 + os.getpid() % 64}.{os.getpid() // 64 % 256}"
ADDRESS: Final = {name: f"{PREFIX}.{number}" for number, name in enumerate(SERVICES, 1)}
DB_PASSWORD: Final = "a password of the database"
START_SECONDS: Final = 120
PUBLIC: Final = {"80": 10080, "443": 10443, "7002": 7002}
"""The ports of the balancer; those that need rights are others here."""

AWS: Final = """#!{python}
import os, sys, boto3
endpoint, operation, bucket = (sys.argv[sys.argv.index(word) + 1] for word in ("--endpoint-url", "s3api", "--bucket"))
s3 = boto3.client("s3", endpoint_url=endpoint)
try:
    getattr(s3, operation.replace("-", "_"))(Bucket=bucket)
except Exception as error:
    sys.exit(str(error))
"""


@attrs.define
class Composition:
    """What runs of it."""

    folder: Path
    services: dict[str, dict[str, Any]]
    s3: str
    stack: ExitStack

    def environment_of(self, name: str) -> dict[str, str]:
        """A service's environment, as Compose would set it, and as it is here."""
        given: dict[str, str] = self.services[name].get("environment", {})
        return {
            key: self.here(value.replace("${CHAT_DB_PASSWORD:?}", DB_PASSWORD), name) for key, value in given.items()
        }

    def here(self, text: str, name: str) -> str:
        """A text of the composition with this machine's addresses and folders in it."""
        text = (
            text.replace("http://s3:8333", self.s3)
            .replace("0.0.0.0", ADDRESS.get(name, ""))
            .replace("10.71.0.10", "127.0.0.1")
        )
        text = text.replace("/var/lib/chatsrv", str(self.folder / name)).replace("/etc/haproxy", str(self.folder))
        return re.sub(rf"(?<=[@/ ])({'|'.join(ADDRESS)})(?=[:/])", lambda found: ADDRESS[found[1]], text)

    def start(self, name: str, command: list[str], more: Mapping[str, str] = {}, **options: Any) -> None:
        """Start a process that is killed at the end."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, env=environment(self.folder, **more), **options
            )
        self.stack.callback(self._end, process)

    def _end(self, process: "subprocess.Popen[Any]") -> None:
        process.send_signal(signal.SIGINT if "postgres" in str(process.args) else signal.SIGKILL)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wait_for(self, name: str, port: int) -> None:
        """Wait until a service takes connections. Fails with what it said."""
        deadline = time.monotonic() + START_SECONDS
        while not is_listening(port, ADDRESS[name]):
            assert time.monotonic() < deadline, (self.folder / f"{name}.log").read_text()
            time.sleep(0.05)


def command_of(service: dict[str, Any], program: str) -> list[str]:
    """A service's command with the path of its program here."""
    first, *rest = service["command"]
    assert Path(first).name in {Path(program).name, "valkey-server"}
    return [program, *map(str, rest)]


def run_postgres(running: Composition) -> None:
    """As its image starts it: initdb, the database, the command; and the health check passes."""
    service, given = running.services["postgres"], running.environment_of("postgres")
    found = programs()
    assert found is not None
    folder = (found / "initdb").resolve().parent  # more of PostgreSQL's programs than a path may have links to
    home = running.folder / "postgres"
    home.mkdir()
    (home / "password").write_text(given["POSTGRES_PASSWORD"])
    user: dict[str, Any] = {} if os.getuid() else {"user": "nobody", "group": "nogroup", "extra_groups": []}
    for path in (home, home / "password"):
        if user:
            shutil.chown(path, "nobody", "nogroup")
    initdb = [
        folder / "initdb", "-D", home / "data", "--no-sync", "-U", given["POSTGRES_USER"], "--pwfile", home / "password",
        "--auth-host=scram-sha-256", "--auth-local=trust", *shlex.split(given["POSTGRES_INITDB_ARGS"]),
    ]  # fmt: skip
    subprocess.run(initdb, check=True, timeout=START_SECONDS, stdout=subprocess.DEVNULL, cwd=home, **user)
    command = [
        *command_of(service, str(folder / "postgres")),
        "-D",
        str(home / "data"),
        "-h",
        ADDRESS["postgres"],
        "-k",
        str(home),
    ]
    running.start("postgres", command, **user)
    running.wait_for("postgres", 5432)
    _, *check = service["healthcheck"]["test"]
    check[0] = str(folder / check[0])
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run([*check, "-h", ADDRESS["postgres"]], timeout=30, stdout=subprocess.DEVNULL).returncode:
        assert time.monotonic() < deadline, (running.folder / "postgres.log").read_text()
        time.sleep(0.1)
    where = f"postgresql://{given['POSTGRES_USER']}@{ADDRESS['postgres']}/postgres"
    with psycopg.connect(where, password=DB_PASSWORD, autocommit=True) as connection:
        connection.execute(f"create database {given['POSTGRES_DB']}".encode())


def make_bucket(running: Composition) -> None:
    """Run the line of the service `bucket`, twice, as after a restart."""
    script = running.folder / "aws"
    script.write_text(AWS.format(python=sys.executable))
    script.chmod(0o755)
    service = running.services["bucket"]
    given = {**running.environment_of("bucket"), "PATH": f"{running.folder}:{PATH}"}
    for _ in range(2):
        command = [*service["entrypoint"], *(running.here(line, "bucket") for line in service["command"])]
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=START_SECONDS)
        assert done.returncode == 0, done.stderr


def run_balancer(running: Composition, pem: Path) -> None:
    """HAProxy with the example's file."""
    program = shutil.which("haproxy", path=PATH)
    assert program is not None
    text = running.here((EXAMPLE / "haproxy.cfg").read_text(), "balancer")
    for port, here in PUBLIC.items():
        assert f"bind :{port}" in text
        text = text.replace(f"bind :{port}", f"bind {ADDRESS['balancer']}:{here}")
    text = text.replace(" s3 s3:8333 ", f" s3 {running.s3.partition('://')[2]} ")
    (running.folder / "haproxy.cfg").write_text(text)
    running.start("balancer", [program, "-db", "-f", str(running.folder / "haproxy.cfg")])
    running.wait_for("balancer", PUBLIC["7002"])
    running.wait_for("balancer", PUBLIC["443"])


def wait_ready(address: str) -> None:
    """Wait until a node is green, as HAProxy asks it."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError), closing(HTTPConnection(address, 7009, timeout=30)) as connection:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        assert time.monotonic() < deadline, f"{address} does not get ready"
        time.sleep(0.1)


def start_command() -> list[str]:
    """What the image of a node starts, by its Dockerfile."""
    text = (EXAMPLE / "Dockerfile").read_text()
    entry, rest = (re.search(rf'^{word} \["(.*)"\]$', text, re.MULTILINE) for word in ("ENTRYPOINT", "CMD"))
    assert entry is not None
    assert rest is not None
    assert entry[1] == "chatsrv"
    return [*CHATSRV, rest[1]]


@contextmanager
def composed(folder: Path, pem: Path) -> Generator[Composition]:
    """All services, in the order of their dependencies."""
    services = yaml.safe_load((EXAMPLE / "compose.yaml").read_text())["services"]
    assert set(services) == {*SERVICES, "s3", "bucket"}, "each service has its place here"
    redis = redis_program()
    assert redis is not None
    with moto_server() as s3, ExitStack() as stack:
        running = Composition(folder, services, s3, stack)
        run_postgres(running)
        for name in ("valkey1", "valkey2"):
            running.start(name, [*command_of(services[name], redis), "--bind", ADDRESS[name]])
            running.wait_for(name, 6379)
        make_bucket(running)
        for name in NODES:
            quick = {"CHATSRV_PASSWORD_TIME": "1", "CHATSRV_PASSWORD_MEMORY": "8", "PYTHONWARNINGS": ""}
            running.start(name, start_command(), {**running.environment_of(name), **quick})
        for name in NODES:
            running.wait_for(name, 7009)
            wait_ready(ADDRESS[name])
        run_balancer(running, pem)
        yield running


def status_of(running: Composition) -> str:
    """What the operator's command says of the nodes."""
    dsn = running.environment_of("node1")["CHATSRV_DATABASE"]
    done = subprocess.run(
        [*CHATSRV, "cluster", "status", "--json", "--database", dsn],
        env=environment(running.folder, PGPASSWORD=DB_PASSWORD),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder() -> Generator[Path]:
    """A folder that PostgreSQL's user may enter, as pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="chatsrv-compose-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def test_people_talk_over_all_that_the_composition_starts(folder: Path) -> None:
    require_postgres()
    require_redis()
    if shutil.which("haproxy", path=PATH) is None:
        pytest.fail("haproxy is missing") if os.environ.get("CI") else pytest.skip(
            "no haproxy: apt-get install haproxy"
        )
    authority = trustme.CA()
    pem = folder / "chat.example.pem"
    authority.issue_cert("chat.example", ADDRESS["balancer"]).private_key_and_cert_chain_pem.write_to_path(pem)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with composed(folder, pem) as running:
        over = f"tls://{ADDRESS['balancer']}:{PUBLIC['7002']}"
        with trio.fail_after(START_SECONDS):
            async with (
                open_client(over, tls=context) as ann,
                open_client(over, tls=context) as bob,
                open_client(f"wss://{ADDRESS['balancer']}:{PUBLIC['443']}/ws", tls=context) as cat,
            ):
                for client, name in ((ann, "ann"), (bob, "bob"), (cat, "cat")):
                    await client.register(name, PASSWORD)
                found = await ann.people.find(["bob", "cat"])
                group_id = (await ann.groups.create("weekend", [each.user_id for each in found])).group_id
                texts = ["hello"]
                await ann.group(group_id).send("hello")
                for client, text in ((bob, "by bob"), (cat, "by cat")):
                    while group_id not in {each.group_id for each in await client.groups.list()}:
                        await trio.sleep(0.05)
                    await client.group(group_id).send(text)
                    texts.append(text)
                for client in (ann, bob, cat):
                    stored = [event async for event in client.group(group_id).iterate_history()]
                    assert [event.text for event in stored if isinstance(event, Message)] == texts
        said = await trio.to_thread.run_sync(status_of, running)
        assert all(f'"{name}"' in said for name in NODES), said
