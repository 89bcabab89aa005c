"""kill -9 at random moments of uploads: no message without its bytes, nothing partial served, the sweep takes the rest;
and a disk that is full, and media in S3 (moto).
"""

import hashlib
import io
import os
import random
import signal
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import support.media_files
import trio
from support.cli_kit import CHATSRV, QUICK, environment
from support.http_kit import error_of, open_http, quick, url_of
from support.media_kit import files_in, moto_server
from support.server_kit import PASSWORD

from chatsrv.app import open_server
from chatsrv.client import Client, ClientError, open_client
from chatsrv.clock import SystemClock
from chatsrv.media.errors import MediaCode, MediaError
from chatsrv_protocol.messages import Message

ROUNDS = 3
DAY_MS = 24 * 3600 * 1000


class LaterClock(SystemClock):
    """The machine's, some days ahead."""

    def __init__(self, days: int) -> None:
        self._ahead = days * DAY_MS

    def now_ms(self) -> int:
        return super().now_ms() + self._ahead


async def serve(data: Path) -> tuple[trio.Process, str]:
    """A server process and its TCP address."""
    command = [*CHATSRV, "serve", "--data", str(data), "--tcp", "127.0.0.1:0", "--http", "127.0.0.1:0", *QUICK]
    process = await trio.lowlevel.open_process(command, stdout=-1, env=environment(data.parent))
    assert process.stdout is not None
    said = b""
    while said.count(b"\n") < 2:
        said += await process.stdout.receive_some()
    return process, said.split()[1].decode()


async def upload_and_say(client: Client, group_id: int, number: int, size: int, said: dict[int, str]) -> None:
    data = random.Random(number).randbytes(size)
    said[number] = hashlib.sha256(data).hexdigest()
    with suppress(ClientError):
        await client.group(group_id).send_media(
            await client.media.upload(io.BytesIO(data), name=str(number), kind="file")
        )


async def test_kill_at_random_moments(tmp_path: Path) -> None:
    data = tmp_path / "data"
    said: dict[int, str] = {}
    token, group_id = b"", 0
    for number in range(ROUNDS):
        process, url = await serve(data)
        with trio.fail_after(120):
            async with open_client(url, token=token or None, follow=False, give_up_after=1) as client:
                if not token:
                    await client.register("ann", PASSWORD)
                    group_id = (await client.groups.create("g")).group_id
                    token = (await client.http_access()).token
                async with trio.open_nursery() as nursery:
                    for each in range(6):
                        size = random.Random(each).choice((1000, 300_000, 5_000_000))
                        nursery.start_soon(upload_and_say, client, group_id, number * 10 + each, size, said)
                    await trio.sleep(random.uniform(0.02, 0.35))
                    process.send_signal(signal.SIGKILL)
                    nursery.cancel_scope.cancel()
        await process.wait()
        assert process.stdout is not None
        await process.stdout.aclose()

    async with open_server(quick(data=data)) as server:
        async with open_client(url_of(server, "tcp"), token=token) as client:
            messages, _ = await client.group(group_id).media()
            for message in messages:
                await assert_whole(client, message, said)
            extra = await client.media.upload(io.BytesIO(b"referred to by nothing"))
        store = server.services.library
        assert store is not None
    digests = {said[int(message.media.name)] for message in messages if message.media is not None}
    async with open_server(quick(data=data), clock=LaterClock(3)) as server:
        assert server.services.library is not None
        await server.services.library.sweep()
        left = {path.name for path in files_in(data / "media")}
        assert left == digests, "what messages refer to, and nothing else"
        async with httpx.AsyncClient(base_url=url_of(server, "http"), timeout=60) as http:
            gone = await http.get(f"/media/{extra}", headers={"authorization": f"Bearer {token.hex()}"})
            assert gone.status_code == 404


async def assert_whole(client: Client, message: Message, said: dict[int, str]) -> None:
    assert message.media is not None
    pieces: list[bytes] = []
    assert await client.media.download(message.media.id, pieces.append) == message.media.size
    assert hashlib.sha256(b"".join(pieces)).hexdigest() == said[int(message.media.name)]


async def test_a_full_disk_refuses_and_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_http("ann", data=tmp_path / "d") as (server, ann):
        kept = await ann.medium(b"kept")
        library = server.services.library

        async def full(**_: Any) -> Any:
            raise MediaError(MediaCode.STORAGE_FULL)

        monkeypatch.setattr(library.store, "begin", full)
        response = await ann.upload(b"new")
        assert (response.status_code, error_of(response)) == (507, "media_storage_full")
        assert (await ann.get(f"/media/{kept}")).content == b"kept"
        monkeypatch.undo()
        assert (await ann.upload(b"new")).status_code == 201

        real = os.write

        def no_room(fd: int, block: bytes) -> int:
            if len(block) > 100_000:
                raise OSError(28, "No space left on device")
            return real(fd, block)

        monkeypatch.setattr(os, "write", no_room)
        response = await ann.upload(bytes(400_000))
        assert (response.status_code, error_of(response)) == (507, "media_storage_full")
        monkeypatch.undo()
        assert list((tmp_path / "d" / "media" / "partial").iterdir()) == []
        assert (await ann.upload(bytes(400_000))).status_code == 201


@pytest.fixture(scope="module")
def endpoint() -> Generator[str]:
    with moto_server() as url:
        httpx.put(f"{url}/bucket")
        yield url


async def test_media_in_s3_are_fetched_from_there(endpoint: str, tmp_path: Path) -> None:
    settings = {
        "media_store": "s3",
        "media_s3_endpoint": endpoint,
        "media_s3_bucket": "bucket",
        "media_s3_access_key": "a",
        "media_s3_secret_key": "b",
    }
    picture = support.media_files.picture()
    async with open_server(attrs.evolve(quick(data=tmp_path / "d"), **settings)) as server:
        async with open_client(url_of(server, "tcp")) as ann:
            await ann.register("ann", PASSWORD)
            media_id = await ann.media.upload(io.BytesIO(picture), name="p.png")
            urls = await ann.media.urls(media_id)
            assert urls.url.startswith(endpoint)
            async with httpx.AsyncClient(timeout=60) as browser:
                got = await browser.get(urls.url)
                assert got.content == picture
                assert got.headers["content-type"] == "image/png"
                assert (await browser.get(urls.thumbnail_url)).headers["content-type"] == "image/webp"
            pieces: list[bytes] = []
            await ann.media.download(media_id, pieces.append)
            assert b"".join(pieces) == picture
            access = await ann.http_access()
            async with httpx.AsyncClient(base_url=access.base, timeout=60) as http:
                answer = await http.get(f"/media/{media_id}", headers={"authorization": f"Bearer {access.token.hex()}"})
                assert answer.status_code == 307
                assert answer.headers["location"].startswith(endpoint)
        assert files_in(tmp_path / "d" / "media") == []
