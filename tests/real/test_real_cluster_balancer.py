"""The example's HAProxy before three real nodes, each of which is stopped and started anew while people talk through it."""

import ipaddress
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trustme
from support.cli_kit import PASSWORD
from support.ports import free_port_numbers, is_listening
from support.real_cluster_kit import open_cluster
from support.real_kit import DEADLINE

from chatsrv.client import RequestRefused, open_client
from chatsrv.client.client import Client
from chatsrv_protocol.messages import Message

CONFIGURATION = Path(__file__).parent.parent.parent / "examples" / "cluster" / "haproxy.cfg"
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
PEOPLE = 6
NAME = "chat.example"


def address(number: int) -> str:
    """A loopback address of its own for each node, so that all have the same ports, as machines have."""
    return f"127.71.0.{number + 1}"


@contextmanager
def balancing(folder: Path, pem: Path, ports: dict[str, int]) -> Generator[None]:
    """HAProxy with the example's configuration: only addresses, ports and the certificate's file are others."""
    program = shutil.which("haproxy", path=PATH)
    if program is None:
        pytest.fail("haproxy is missing") if os.environ.get("CI") else pytest.skip(
            "no haproxy: apt-get install haproxy"
        )
    text = CONFIGURATION.read_text()
    pairs = [
        ("bind :80\n", f"bind 127.0.0.1:{ports['80']}\n"),
        ("bind :443 ", f"bind 127.0.0.1:{ports['443']} "),
        ("bind :7002 ", f"bind 127.0.0.1:{ports['7002']} "),
        ("/etc/haproxy/chat.example.pem", str(pem)),
        ("check port 7009 ", f"check port {ports['7009']} "),
        *((f" node{number + 1}:{port}", f" {address(number)}:{ports[port]}") for number in range(3) for port in ("7000", "7080")),
    ]  # fmt: skip
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "haproxy.cfg").write_text(text)
    with (
        (folder / "haproxy.log").open("wb") as log,
        subprocess.Popen([program, "-db", "-f", str(folder / "haproxy.cfg")], stdout=log, stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.send_signal(signal.SIGKILL)


async def _listening(port: int) -> None:
    with trio.fail_after(DEADLINE):
        while not is_listening(port):
            await trio.sleep(0.05)


async def _talk(client: Client, group_id: int, name: str, acked: dict[str, int], done: trio.Event) -> None:
    number = 0
    while not done.is_set():
        try:
            acked[f"{name}/{number}"] = (await client.group(group_id).send(f"{name}/{number}")).seq
        except RequestRefused as refusal:
            raise AssertionError(f"{name} was refused: {refusal}") from None
        number += 1
        await trio.sleep(0.02)


async def test_no_message_is_lost_while_each_node_is_replaced_behind_the_balancer(tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = tmp_path / "chat.example.pem"
    authority.issue_cert(NAME, "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    ports: dict[str, int] = dict(zip(("80", "443", "7002", "7000", "7080", "7009"), free_port_numbers(6), strict=True))
    assert all(ipaddress.ip_address(address(number)).is_loopback for number in range(3))

    def flags(number: int) -> tuple[str, ...]:
        listen = [f"{address(number)}:{ports[port]}" for port in ("7000", "7080", "7009")]
        more = ("--trusted-proxies", "127.0.0.1", "--names", NAME, "--codes-without-position", "off")
        return "--tcp", listen[0], "--http", listen[1], "--ops", listen[2], *more

    async with open_cluster(tmp_path, 3, flags) as cluster, trio.open_nursery() as nursery:
        with balancing(tmp_path, pem, ports):
            await _listening(ports["7002"])
            acked: dict[str, int] = {}
            clients: dict[str, Client] = {}
            open_now = trio.Event()
            done = trio.Event()

            async def live(name: str, url: str, task_status: trio.TaskStatus[None]) -> None:
                async with open_client(url, tls=context, fraction=lambda: 0.05) as client:
                    await client.register(name, PASSWORD)
                    clients[name] = client
                    task_status.started()
                    await open_now.wait()
                    await trio.sleep_forever()

            over = ("tls://127.0.0.1:{7002}", "wss://127.0.0.1:{443}/ws")
            for number in range(PEOPLE):
                url = over[number % 2].replace("{7002}", str(ports["7002"])).replace("{443}", str(ports["443"]))
                await nursery.start(live, f"user{number}", url)
            first = clients["user0"]
            found = await first.people.find([name for name in clients if name != "user0"])
            group_id = (await first.groups.create("weekend", [each.user_id for each in found])).group_id
            async with trio.open_nursery() as talkers:
                for name, client in clients.items():
                    talkers.start_soon(_talk, client, group_id, name, acked, done)
                for node in cluster.nodes:
                    before = len(acked)
                    assert await node.stop() == 0
                    await node.start()
                    with trio.fail_after(DEADLINE):
                        while len(acked) < before + 5 * PEOPLE:
                            await trio.sleep(0.05)
                done.set()
            stored = [event async for event in first.group(group_id).iterate_history()]
            assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
            texts = {event.text: event.seq for event in stored if isinstance(event, Message)}
            assert texts == acked
            assert len(stored) == len(texts) + 1
        nursery.cancel_scope.cancel()
