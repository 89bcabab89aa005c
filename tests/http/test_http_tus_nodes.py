"""Resumable uploads over several nodes with one bucket (moto): any node goes on with one, whichever of them began it or died."""

import base64
import hashlib
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import Mock
from xml.etree import ElementTree as ET

import attrs
import httpx
import pytest
import trio
from support.cluster_kit import Hub, MemoryBus, Trouble, lent
from support.http_kit import error_of, quick, url_of
from support.media_kit import MEBI, moto_server
from support.server_kit import dialled

from chatsrv.app import Server, open_server
from chatsrv.clock import SystemClock
from chatsrv.media.store.interface import PIECE_BYTES
from chatsrv.media.store.s3_client import S3Client
from chatsrv.media.store.spool import SpoolWriter
from chatsrv.media.uploads import RESUMABLE_MS
from chatsrv_storage.errors import StorageUnavailable
from chatsrv_storage.interface import open_memory_storage
from chatsrv_storage.messages import media, media_claims

TUS: Final = {"tus-resumable": "1.0.0"}
PATCH: Final = {**TUS, "content-type": "application/offset+octet-stream"}


class JumpingClock(SystemClock):
    """The machine's, ahead by what a test says."""

    def __init__(self, ahead_ms: int = 0) -> None:
        self.ahead_ms = ahead_ms

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


TWO_DAYS_MS: Final = 2 * 24 * 3600 * 1000


@pytest.fixture(scope="module")
def endpoint() -> Generator[str]:
    with moto_server() as url:
        yield url


@attrs.define
class Nodes:
    """Two servers on one storage and one bucket, and somebody's token."""

    servers: list[Server]
    scopes: list[trio.CancelScope]
    clients: list[httpx.AsyncClient]
    bucket: str
    auth: dict[str, str]

    async def create(self, at: int, size: int, **headers: str) -> str:
        """Make an upload at a node; its path."""
        name = base64.b64encode(b"a.bin").decode()
        made = await self.clients[at].post(
            "/uploads",
            headers={**self.auth, **TUS, "upload-length": str(size), "upload-metadata": f"filename {name}", **headers},
        )
        assert made.status_code == 201, made.text
        return made.headers["location"]

    async def patch(self, at: int, path: str, offset: int, data: Any, **headers: str) -> httpx.Response:
        """Send bytes to a node."""
        return await self.clients[at].patch(
            path, content=data, headers={**self.auth, **PATCH, "upload-offset": str(offset), **headers}
        )

    async def offset(self, at: int, path: str) -> int:
        """How far the upload is, as a node says."""
        said = await self.clients[at].head(path, headers={**self.auth, **TUS})
        assert said.status_code == 200, said.status_code
        return int(said.headers["upload-offset"])

    async def content(self, at: int, media_id: str) -> bytes:
        """The bytes of a medium."""
        said = await self.clients[at].get(f"/media/{media_id}", headers=self.auth, follow_redirects=True)
        assert said.status_code == 200, said.text
        return said.content

    async def pieces(self) -> list[str]:
        """The objects in the bucket that are pieces of uploads."""
        return await self.objects("pieces/")

    async def objects(self, prefix: str) -> list[str]:
        """The objects in the bucket whose names begin so."""
        async with httpx.AsyncClient(timeout=60) as http:
            listed = await http.get(f"{self.bucket}?list-type=2&prefix={prefix}")
        return [entry.findtext("{*}Key") or "" for entry in ET.fromstring(listed.content).findall("{*}Contents")]

    async def kill(self, number: int) -> None:
        """End a node at once, with all that it does."""
        self.scopes[number].cancel()


@asynccontextmanager
async def open_two(
    endpoint: str, folder: Path, clock: SystemClock | None = None, **settings: Any
) -> AsyncGenerator[Nodes]:
    """Two nodes; the bucket is new."""
    bucket = f"b{Random().randrange(10**12)}"
    async with httpx.AsyncClient(timeout=60) as http:
        (await http.put(f"{endpoint}/{bucket}")).raise_for_status()
    config = quick(
        media_store="s3",
        media_s3_endpoint=endpoint,
        media_s3_bucket=bucket,
        media_s3_access_key="a",
        media_s3_secret_key="b",
        stop_timeout=0.2,
        **settings,
    )
    hub = Hub(Random(0), Trouble())
    servers: list[Server] = []
    scopes: list[trio.CancelScope] = []

    async def run(storage: Any, number: int, task_status: trio.TaskStatus[None]) -> None:
        name = f"node{number}"
        with trio.CancelScope() as scope:
            async with open_server(
                attrs.evolve(config, node=number, node_name=name, data=folder / name),
                storage=lent(storage),
                node_bus=MemoryBus(hub, name),
                clock=clock,
            ) as server:
                servers.append(server)
                scopes.append(scope)
                task_status.started()
                await trio.sleep_forever()

    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(open_memory_storage())
        nursery = await stack.enter_async_context(trio.open_nursery())
        for number in range(2):
            await nursery.start(run, storage, number)
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url_of(server, "http"), timeout=30))
            for server in servers
        ]
        chat = await stack.enter_async_context(dialled(url_of(servers[1], "tcp")))
        await chat.register("ann")
        assert chat.me is not None
        auth = {"authorization": f"Bearer {chat.me.token.hex()}"}
        yield Nodes(servers, scopes, clients, f"{endpoint}/{bucket}", auth)
        nursery.cancel_scope.cancel()


async def test_a_balancer_may_send_each_request_anywhere(endpoint: str, tmp_path: Path) -> None:
    dice = Random(1)
    data = dice.randbytes(MEBI)
    async with open_two(endpoint, tmp_path) as nodes:
        path, at = await nodes.create(0, len(data)), 0
        most, media_id = 0, ""
        while at < len(data):
            stop = min(len(data), at + dice.choice((1, 1000, 50_000, 200_000)))
            answer = await nodes.patch(dice.randrange(2), path, at, data[at:stop])
            assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(stop))
            at, media_id = stop, answer.headers.get("upload-media", "")
            assert {await nodes.offset(number, path) for number in (0, 1)} == {at}
            most = max(most, len(await nodes.pieces()))
        assert 1 < most <= 12, "pieces grow, so that a client of tiny ones does not fill the bucket's listing"
        assert await nodes.content(0, media_id) == data
        assert await nodes.pieces() == []
        assert (await nodes.patch(1, path, at, b"")).headers["upload-media"] == media_id, "a lost last answer"


async def test_a_node_that_dies_leaves_what_it_answered_for(endpoint: str, tmp_path: Path) -> None:
    data = Random(2).randbytes(PIECE_BYTES + 3 * MEBI)
    async with open_two(endpoint, tmp_path) as nodes:
        path = await nodes.create(0, len(data))
        first = PIECE_BYTES + MEBI
        assert (await nodes.patch(0, path, 0, data[:first])).status_code == 204
        assert len(await nodes.pieces()) == 2, "a piece is one request to the bucket"
        await nodes.kill(0)
        assert await nodes.offset(1, path) == first
        answer = await nodes.patch(1, path, first, data[first:])
        assert await nodes.content(1, answer.headers["upload-media"]) == data
        assert await nodes.pieces() == []


async def test_a_request_that_breaks_off_is_gone_on_with_elsewhere(endpoint: str, tmp_path: Path) -> None:
    data = Random(3).randbytes(2 * MEBI)
    async with open_two(endpoint, tmp_path) as nodes:
        path = await nodes.create(0, len(data))

        async def half() -> AsyncGenerator[bytes]:
            yield data[:MEBI]
            raise OSError("the network is gone")

        with pytest.raises(OSError, match="network"):
            await nodes.patch(0, path, 0, half(), **{"content-length": str(len(data))})
        with trio.fail_after(120):
            while (offset := await nodes.offset(1, path)) == 0:  # the node notices it after the client
                await trio.sleep(0.01)
        answer = await nodes.patch(1, path, offset, data[offset:])
        assert await nodes.content(0, answer.headers["upload-media"]) == data


async def test_a_node_that_is_stopped_leaves_what_arrived(endpoint: str, tmp_path: Path) -> None:
    data = Random(4).randbytes(2 * MEBI)
    async with open_two(endpoint, tmp_path) as nodes:
        path = await nodes.create(0, len(data))
        headers = {**nodes.auth, **PATCH, "upload-offset": "0", "content-length": str(len(data)), "host": "x"}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        url = nodes.clients[0].base_url
        async with await trio.open_tcp_stream(url.host, url.port or 0) as stream:
            await stream.send_all(f"PATCH /{path} HTTP/1.1\r\n{head}\r\n".encode() + data[:MEBI])
            with trio.fail_after(120):
                while not sum(each.stat().st_size for each in (tmp_path / "node0" / "media" / "partial").iterdir()):
                    await trio.sleep(0.01)
                await nodes.kill(0)
                while (offset := await nodes.offset(1, path)) == 0:
                    await trio.sleep(0.01)
        answer = await nodes.patch(1, path, offset, data[offset:])
        assert await nodes.content(1, answer.headers["upload-media"]) == data


async def test_two_nodes_at_once(endpoint: str, tmp_path: Path) -> None:
    """Somebody whose client gave up waiting sends the same bytes elsewhere: they count once."""
    data = Random(5).randbytes(2 * MEBI)
    async with open_two(endpoint, tmp_path) as nodes:
        path = await nodes.create(0, len(data))
        going, arrived = trio.Event(), trio.Event()

        async def late() -> AsyncGenerator[bytes]:
            yield data[:1000]
            arrived.set()
            await going.wait()
            yield data[1000 : MEBI // 2]

        answers: list[httpx.Response] = []

        async def send() -> None:
            answers.append(await nodes.patch(0, path, 0, late(), **{"content-length": str(MEBI // 2)}))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await arrived.wait()
            assert (await nodes.patch(1, path, 0, data[:MEBI])).status_code == 204
            going.set()
        assert (answers[0].status_code, error_of(answers[0])) == (409, "upload_offset_mismatch")
        answer = await nodes.patch(0, path, MEBI, data[MEBI:])
        assert await nodes.content(0, answer.headers["upload-media"]) == data
        assert await nodes.pieces() == []


async def test_an_upload_that_ends_elsewhere(endpoint: str, tmp_path: Path) -> None:
    async with open_two(endpoint, tmp_path) as nodes:
        path = await nodes.create(0, 3000, **{"idempotency-key": "mine"})
        assert (await nodes.patch(0, path, 0, bytes(1000))).status_code == 204
        assert await nodes.create(1, 3000, **{"idempotency-key": "mine"}) == path, "its key finds it at any node"
        assert (await nodes.clients[1].delete(path, headers={**nodes.auth, **TUS})).status_code == 204
        assert await nodes.pieces() == []
        gone = await nodes.patch(0, path, 1000, bytes(2000))
        assert (gone.status_code, error_of(gone)) == (404, "upload_not_found")
        assert (await nodes.create(0, 3000, **{"idempotency-key": "mine"})) != path, "the key is free for another try"


async def test_a_bucket_that_fails_tells_the_client_and_loses_nothing(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatsrv.media.store.s3_client.PAUSES", ())
    data = Random(6).randbytes(MEBI)
    async with open_two(endpoint, tmp_path) as nodes:
        path = await nodes.create(0, len(data))
        async with httpx.AsyncClient(timeout=60) as http:
            (await http.delete(nodes.bucket)).raise_for_status()
            failed = await nodes.patch(0, path, 0, data[:1000])
            assert (failed.status_code, error_of(failed)) == (502, "media_storage_failed")
            (await http.put(nodes.bucket)).raise_for_status()
        assert await nodes.offset(0, path) == 1000, "this node stored first what it had already"
        assert {await nodes.offset(number, path) for number in (0, 1)} == {1000}
        answer = await nodes.patch(1, path, 1000, data[1000:])
        assert await nodes.content(1, answer.headers["upload-media"]) == data


async def test_a_database_that_is_away_at_the_end_of_an_upload_loses_nothing(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Random(7).randbytes(MEBI)
    async with open_two(endpoint, tmp_path) as nodes:
        path = await nodes.create(0, len(data))
        with monkeypatch.context() as patched:
            patched.setattr(media, "add", Mock(side_effect=StorageUnavailable))
            refused = await nodes.patch(0, path, 0, data)
        assert (refused.status_code, error_of(refused), refused.headers["retry-after"]) == (503, "storage_busy", "2")
        assert await nodes.offset(1, path) == 0, "what was not answered for is where it came"
        assert await nodes.offset(0, path) == len(data)
        assert await nodes.content(1, (await nodes.patch(1, path, len(data), b"")).headers["upload-media"]) == data
        assert await nodes.pieces() == []


async def test_one_node_sweeps_what_all_share(endpoint: str, tmp_path: Path) -> None:
    """The others sweep their own folder and neither the bucket nor the rows."""
    async with open_two(endpoint, tmp_path, JumpingClock(TWO_DAYS_MS)) as nodes:
        path = await nodes.create(0, 3000)
        assert (await nodes.patch(0, path, 0, bytes(1000))).status_code == 204
        kept = await nodes.pieces()
        left, blob = tmp_path / "node1" / "media" / "partial" / f"{'0' * 32}.part", f"blobs/00/{'0' * 64}"
        async with httpx.AsyncClient(timeout=60) as http:
            for name in (f"pieces/{'0' * 32}", blob):
                (await http.put(f"{nodes.bucket}/{name}", content=b"left")).raise_for_status()
            one, other = (server.services.library for server in nodes.servers)
            assert one is not None
            assert other is not None
            left.write_bytes(b"left")
            os.utime(left, (0, 0))
            await other.sweep(own_only=True)
            assert not left.exists()
            assert len(await nodes.pieces()) == 2
            assert await nodes.objects("blobs/") == [blob]
            await one.sweep()
            assert (len(kept), await nodes.pieces()) == (1, kept)
            assert await nodes.objects("blobs/") == []
        assert (await nodes.patch(1, path, 1000, bytes(2000))).status_code == 204


async def test_a_sweep_elsewhere_spares_bytes_whose_row_is_not_there_yet(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that nothing refers to are uploaded again and another node sweeps; then the database may go away at any moment."""
    data, commit, sweeps = b"once more", SpoolWriter.commit, list[int]()
    async with open_two(endpoint, tmp_path) as nodes:
        other = nodes.servers[1].services.library
        assert other is not None

        async def commit_and_sweep(writer: SpoolWriter, *arguments: Any, **options: Any) -> Any:
            stored = await commit(writer, *arguments, **options)
            sweeps.append((await other.sweep(older_than=-TWO_DAYS_MS / 1000)).blobs)
            return stored

        monkeypatch.setattr(SpoolWriter, "commit", commit_and_sweep)
        monkeypatch.setattr(media, "remove_unused", Mock(side_effect=StorageUnavailable))
        path = await nodes.create(0, len(data))
        first = await nodes.patch(0, path, 0, data)
        again = await nodes.patch(0, path, len(data), b"")
        media_id = again.headers["upload-media"]
        assert await nodes.content(1, media_id) == data
        assert (first.headers.get("upload-media"), sweeps) == (media_id, [0])


async def test_bytes_that_a_sweep_elsewhere_removes_are_stored_after_it(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request to the bucket to remove them is under way while they are uploaded again."""
    data, delete, claim = b"once more", S3Client.delete, media_claims.claim
    about, refused = trio.Event(), trio.Event()
    async with open_two(endpoint, tmp_path) as nodes:
        digest = hashlib.sha256(data).hexdigest()
        async with httpx.AsyncClient(timeout=60) as http:
            blob = f"{nodes.bucket}/blobs/{digest[:2]}/{digest}"
            (await http.put(blob, content=data)).raise_for_status()

        async def delete_late(client: S3Client, key: str) -> None:
            if key.startswith("blobs/"):
                about.set()
                await refused.wait()
            await delete(client, key)

        def claim_or_note(*arguments: Any) -> bool:
            claimed = claim(*arguments)
            if not claimed:
                refused.set()
            return claimed

        monkeypatch.setattr(S3Client, "delete", delete_late)
        monkeypatch.setattr(media_claims, "claim", claim_or_note)
        other = nodes.servers[1].services.library
        assert other is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(other.sweep, older_than=-TWO_DAYS_MS / 1000))
            await about.wait()
            answer = await nodes.patch(0, await nodes.create(0, len(data)), 0, data)
        assert refused.is_set()
        assert await nodes.content(1, answer.headers["upload-media"]) == data


async def test_what_arrives_at_one_node_does_not_give_way_at_another(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatsrv.media.uploads.NOTED_MS", 50)
    clock = JumpingClock()
    async with open_two(endpoint, tmp_path, clock, media_uploads_per_user=2) as nodes:
        path = await nodes.create(0, 3000)
        others = [await nodes.create(0, 100)]
        clock.ahead_ms += 61_000
        going, answers = trio.Event(), list[httpx.Response]()

        async def slow() -> AsyncGenerator[bytes]:
            yield bytes(1000)
            await going.wait()
            yield bytes(2000)

        async def send() -> None:
            answers.append(await nodes.patch(0, path, 0, slow(), **{"content-length": "3000"}))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            for _ in range(2):  # it had paused before this request; and it takes long
                await _until_noted(nodes, path, clock)
                others.append(await nodes.create(1, 100))
                clock.ahead_ms += 61_000
            going.set()
        assert (answers[0].status_code, "upload-media" in answers[0].headers) == (204, True)
        for gone in others[:2]:
            said = await nodes.clients[1].head(gone, headers={**nodes.auth, **TUS})
            assert said.status_code == 404, "the one that was left gave way"


async def _until_noted(nodes: Nodes, path: str, clock: SystemClock) -> None:
    """Wait until the database says that bytes of an upload arrived after the clock's latest jump."""
    since = clock.now_ms() - 30_000
    upload_id = path.rpartition("/")[2]
    with trio.fail_after(120):
        while True:
            (until,) = await nodes.servers[0].services.storage.read(
                lambda conn: conn.execute("select expires_at from media_upload where id = ?", (upload_id,)).fetchone()
            )
            if until - RESUMABLE_MS > since:
                return
            await trio.sleep(0.01)
