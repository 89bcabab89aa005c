"""Uploads that meet a database which is away: 503 with Retry-After, and once it is back the client goes on, no byte lost."""

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import attrs
import httpx
import pytest
import trio
from support.cli_kit import PASSWORD
from support.media_kit import MEBI, moto_server
from support.ports import free_port_numbers
from support.postgres_kit import PostgresServer, serving_postgres
from support.real_cluster_kit import CREATE, open_cluster
from support.real_kit import DEADLINE, real_server

from chatsrv.client import open_client

TUS: Final = {"tus-resumable": "1.0.0"}
PATCH: Final = {**TUS, "content-type": "application/offset+octet-stream"}
SETTINGS: Final = """
media_store = "s3"
media_s3_endpoint = "{endpoint}"
media_s3_bucket = "bucket"
media_s3_access_key = "a"
media_s3_secret_key = "b"
"""
DATA: Final = random.Random(4).randbytes(3 * MEBI + 5)


@attrs.frozen
class Uploader:
    """A client of tus: where its nodes take HTTP, and the database that stops and starts under them."""

    postgres: PostgresServer
    nodes: list[str]
    http: httpx.AsyncClient

    async def create(self) -> str:
        """The path of a new upload of DATA."""
        made = await self.http.post(f"{self.nodes[0]}/uploads", headers={**TUS, "upload-length": str(len(DATA))})
        assert made.status_code == 201, made.text
        return f"/{made.headers['location']}"

    async def send(self, node: int, path: str, start: int, stop: int, midway: Callable[[], None] | None = None):
        """Send these bytes in one request; `midway` is called in a thread when half of them are sent."""

        async def body() -> AsyncGenerator[bytes]:
            half = (start + stop) // 2
            yield DATA[start:half]
            if midway is not None:
                await trio.to_thread.run_sync(midway)
            yield DATA[half:stop]

        headers = {**PATCH, "upload-offset": str(start), "content-length": str(stop - start)}
        return await self.http.patch(f"{self.nodes[node]}{path}", content=body(), headers=headers)

    async def offset(self, node: int, path: str) -> int:
        """How far the upload is, as a node says once it has its database."""
        with trio.fail_after(DEADLINE):
            while (said := await self.http.head(f"{self.nodes[node]}{path}", headers=TUS)).status_code == 503:
                assert int(said.headers["retry-after"]) > 0
                await trio.sleep(0.1)
        assert said.status_code == 200, said.status_code
        return int(said.headers["upload-offset"])

    async def content(self, media_id: str) -> bytes:
        """The bytes of a medium."""
        return (await self.http.get(f"{self.nodes[-1]}/media/{media_id}", follow_redirects=True)).content


async def token_of(url: str) -> str:
    async with open_client(url) as client:
        await client.register("ann", PASSWORD)
        return (await client.http_access()).token.hex()


@asynccontextmanager
async def open_uploader(folder: Path, store: str) -> AsyncGenerator[Uploader]:
    """One server with its media on disk, or two nodes with a bucket."""
    ports = free_port_numbers(2)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    async with httpx.AsyncClient(timeout=DEADLINE) as http:
        if store == "disk":
            with serving_postgres("fsync=on") as postgres:
                postgres.execute(CREATE)
                flags = ("--database", postgres.dsn("chat"), "--http", f"127.0.0.1:{ports[0]}")
                async with real_server(folder / "data", *flags) as server:
                    http.headers["authorization"] = f"Bearer {await token_of(server.url)}"
                    yield Uploader(postgres, urls[:1], http)
            return
        with moto_server() as endpoint:
            (await http.put(f"{endpoint}/bucket")).raise_for_status()
            settings = folder / "chatsrv.toml"
            settings.write_text(SETTINGS.format(endpoint=endpoint))

            def flags_of(number: int) -> tuple[str, ...]:
                return "--config", str(settings), "--http", f"127.0.0.1:{ports[number]}"

            async with open_cluster(folder, 2, flags_of) as cluster:
                http.headers["authorization"] = f"Bearer {await token_of(cluster.nodes[0].process.url)}"
                yield Uploader(cluster.postgres, urls, http)


@pytest.mark.parametrize("store", ["disk", "s3"])
async def test_an_upload_goes_on_after_the_database_was_away(tmp_path: Path, store: str) -> None:
    async with open_uploader(tmp_path, store) as ann:
        for stop in (len(DATA) // 3, len(DATA)):  # a request in the middle of the file, and the one that ends it
            path = await ann.create()
            refused = await ann.send(0, path, 0, stop, midway=ann.postgres.stop)
            assert (refused.status_code, refused.json()["error"]) == (503, "storage_busy")
            assert int(refused.headers["retry-after"]) > 0
            again = await ann.http.head(f"{ann.nodes[0]}{path}", headers=TUS)
            assert again.status_code == 503
            await trio.to_thread.run_sync(ann.postgres.start)
            assert await ann.offset(0, path) == stop, "nothing of it has to be sent again"
            last = len(ann.nodes) - 1  # any node goes on
            assert await ann.offset(last, path) == stop
            ended = await ann.send(last, path, stop, len(DATA))
            assert (ended.status_code, ended.headers["upload-offset"]) == (204, str(len(DATA)))
            assert await ann.content(ended.headers["upload-media"]) == DATA
