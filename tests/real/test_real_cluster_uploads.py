"""Resumable uploads through a balancer that sends each request to another of two real nodes, one of which dies in the middle."""

import os
import random
import shutil
import signal
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import attrs
import httpx
import pytest
import trio
from support.cli_kit import PASSWORD
from support.media_kit import MEBI, moto_server
from support.ports import free_port_numbers, is_listening
from support.real_cluster_kit import Cluster, open_cluster
from support.real_kit import DEADLINE

from chatsrv.client import Client, open_client

PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
TUS: Final = {"tus-resumable": "1.0.0"}
PATCH: Final = {**TUS, "content-type": "application/offset+octet-stream"}
BALANCER: Final = """
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    option redispatch
    retries 3
frontend web
    bind 127.0.0.1:{web}
    default_backend nodes
backend nodes
    balance roundrobin
    server node1 127.0.0.1:{node1} check inter 200ms
    server node2 127.0.0.1:{node2} check inter 200ms
"""
SETTINGS: Final = """
media_store = "s3"
media_s3_endpoint = "{endpoint}"
media_s3_bucket = "bucket"
media_s3_access_key = "a"
media_s3_secret_key = "b"
"""


@contextmanager
def balancing(folder: Path, web: int, nodes: list[int]) -> Generator[None]:
    """HAProxy before two nodes, a request here and one there."""
    program = shutil.which("haproxy", path=PATH)
    if program is None:
        pytest.fail("haproxy is missing") if os.environ.get("CI") else pytest.skip(
            "no haproxy: apt-get install haproxy"
        )
    (folder / "haproxy.cfg").write_text(BALANCER.format(web=web, node1=nodes[0], node2=nodes[1]))
    with (
        (folder / "haproxy.log").open("wb") as log,
        subprocess.Popen([program, "-db", "-f", str(folder / "haproxy.cfg")], stdout=log, stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.send_signal(signal.SIGKILL)


@attrs.frozen
class Balanced:
    """What runs, and where each node and the balancer take HTTP."""

    cluster: Cluster
    web: str
    nodes: list[str]


@asynccontextmanager
async def open_balanced(folder: Path) -> AsyncGenerator[Balanced]:
    """Two nodes with a bucket, behind a balancer."""
    web, *ports = free_port_numbers(3)
    with moto_server() as endpoint:
        async with httpx.AsyncClient(timeout=60) as http:
            (await http.put(f"{endpoint}/bucket")).raise_for_status()
        settings = folder / "chatsrv.toml"
        settings.write_text(SETTINGS.format(endpoint=endpoint))

        def flags(number: int) -> tuple[str, ...]:
            http = ("--http", f"127.0.0.1:{ports[number]}", "--http-url", f"http://127.0.0.1:{web}")
            return "--config", str(settings), *http

        async with open_cluster(folder, 2, flags) as cluster:
            with balancing(folder, web, ports):
                with trio.fail_after(DEADLINE):
                    while not is_listening(web):
                        await trio.sleep(0.05)
                yield Balanced(cluster, f"http://127.0.0.1:{web}", [f"http://127.0.0.1:{port}" for port in ports])


@asynccontextmanager
async def somebody(cluster: Cluster, number: int) -> AsyncGenerator[Client]:
    """Somebody who is connected to this node."""
    host, port = cluster.nodes[number].address
    async with open_client(f"tcp://{host}:{port}") as client:
        await client.register("ann", PASSWORD)
        yield client


async def test_uploads_go_on_over_nodes_of_which_one_dies(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(18 * MEBI)
    path = tmp_path / "film.bin"
    path.write_bytes(data)
    async with open_balanced(tmp_path) as balanced, somebody(balanced.cluster, 1) as ann:
        victim = balanced.cluster.nodes[0]
        token = (await ann.http_access()).token.hex()

        # The client's own uploader, a piece to each node in turn, until one of them is killed.
        killed: list[int] = []

        def kill_midway(done: int, _total: int) -> None:
            if done >= 10 * MEBI and not killed:
                killed.append(done)
                victim.process.signal(signal.SIGKILL)

        with trio.fail_after(DEADLINE):
            media_id = await ann.media.upload(path, progress=kill_midway)
        assert killed
        got: list[bytes] = []
        await ann.media.download(media_id, got.append)
        assert b"".join(got) == data

        # A client of tus that knows nothing of nodes: half to one, which dies, and the rest to the other.
        await victim.kill()
        await victim.start()
        auth = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(timeout=DEADLINE) as http:
            made = await http.post(
                f"{balanced.nodes[0]}/uploads", headers={**auth, **TUS, "upload-length": str(len(data))}
            )
            at, other = (f"{node}/{made.headers['location']}" for node in balanced.nodes)
            half = len(data) // 2 + 1
            sent = await http.patch(at, content=data[:half], headers={**auth, **PATCH, "upload-offset": "0"})
            assert (sent.status_code, sent.headers["upload-offset"]) == (204, str(half))
            await victim.kill()
            said = await http.head(other, headers={**auth, **TUS})
            assert (said.status_code, said.headers["upload-offset"]) == (200, str(half))
            sent = await http.patch(other, content=data[half:], headers={**auth, **PATCH, "upload-offset": str(half)})
            assert sent.status_code == 204, sent.text
            medium = f"{balanced.nodes[1]}/media/{sent.headers['upload-media']}"
            assert (await http.get(medium, headers=auth, follow_redirects=True)).content == data
