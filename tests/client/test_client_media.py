"""The client's side of media: up and down through everything that happens to connections, and what is refused."""

import hashlib
import io
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import support.media_files
import trio
import trio.testing
from support.http_kit import quick, url_of
from support.server_kit import PASSWORD

from chatsrv.app import Server, open_server
from chatsrv.client import Client, RequestRefused, open_client
from chatsrv.client.transfers import transfers as module
from chatsrv_protocol.limits import MAX_ID
from chatsrv_protocol.messages import AUDIO, IMAGE, Message


@asynccontextmanager
async def open_pair(**settings: Any) -> AsyncGenerator[tuple[Server, Client, Client]]:
    async with (
        open_server(quick(**settings)) as server,
        open_client(url_of(server, "tcp")) as ann,
        open_client(url_of(server, "tcp")) as bob,
    ):
        await ann.register("ann", PASSWORD)
        await bob.register("bob", PASSWORD)
        yield server, ann, bob


async def test_a_picture_from_one_to_the_other(tmp_path: Path) -> None:
    picture = support.media_files.picture("JPEG")
    (tmp_path / "p.jpg").write_bytes(picture)
    async with open_pair() as (_, ann, bob):
        group_id = (await ann.groups.create("g", [(await bob.people.find(["bob"]))[0].user_id])).group_id
        seen: list[tuple[int, int]] = []
        media_id = await ann.media.upload(tmp_path / "p.jpg", progress=lambda done, of: seen.append((done, of)))
        assert seen[-1] == (len(picture), len(picture))
        sent = await ann.group(group_id).send_media(media_id, "look")
        events = bob.events(from_start=True)
        while not isinstance(event := await anext(events), Message):
            pass
        assert (event.seq, event.kind, event.text) == (sent.seq, IMAGE, "look")
        head = event.media
        assert head is not None
        assert (head.id, head.mime, head.size, head.name) == (media_id, "image/jpeg", len(picture), "p.jpg")
        assert (head.width, head.height) == (400, 300)
        assert head.blurhash
        assert head.preview[8:12] == b"WEBP"
        assert await bob.media.download(head.id, tmp_path / "out.jpg") == len(picture)
        assert (tmp_path / "out.jpg").read_bytes() == picture
        pieces: list[bytes] = []
        await bob.media.download(head.id, pieces.append, thumbnail=True)
        assert b"".join(pieces)[8:12] == b"WEBP"
        listed, more = await bob.group(group_id).media()
        assert [message.seq for message in listed] == [sent.seq]
        assert not more
        urls = await bob.media.urls(media_id)
        async with httpx.AsyncClient(timeout=60) as browser:
            assert (await browser.get(urls.url)).content == picture
        wav = await bob.media.upload(io.BytesIO(support.media_files.wav()), name="v.wav", kind="audio")
        await bob.group(group_id).send_media(wav, reply_to=sent.seq)
        (latest, _), _ = await ann.group(group_id).media()
        assert latest.kind == AUDIO
        assert latest.media is not None
        assert (latest.media.duration, len(latest.media.waveform)) == (2000, 64)
        assert latest.extra is not None
        assert latest.extra.reply_to is not None


async def test_what_is_refused_is_said(tmp_path: Path) -> None:
    async with open_pair(media_max_image=100) as (_, ann, bob):
        with pytest.raises(RequestRefused) as refused:
            await ann.media.upload(io.BytesIO(b"no picture"), kind="image")
        assert refused.value.code == "media_kind_mismatch"
        with pytest.raises(RequestRefused) as refused:
            await ann.media.upload(io.BytesIO(support.media_files.picture()), kind="image")
        assert refused.value.code == "media_too_large"
        media_id = await ann.media.upload(io.BytesIO(b"mine"))
        with pytest.raises(RequestRefused) as refused:
            await bob.media.download(media_id, tmp_path / "x")
        assert refused.value.code == "media_unknown"
        assert list(tmp_path.iterdir()) == []


async def test_an_upload_goes_on_after_lost_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UPLOAD_CHUNK_BYTES", 100_000)
    data = bytes(range(251)) * 4000
    async with open_pair() as (server, ann, _):
        lost = 0

        def cut(done: int, _: int) -> None:
            nonlocal lost
            if lost < 3 and done > (lost + 1) * 200_000:
                lost += 1
                server._http._ports["http"].http.cut()

        media_id = await ann.media.upload(io.BytesIO(data), progress=cut)
        assert lost == 3
        pieces: list[bytes] = []

        def cut_once(done: int, _: int) -> None:
            nonlocal lost
            if lost == 3 and done > 300_000:
                lost += 1
                server._http._ports["http"].http.cut()

        await ann.media.download(media_id, pieces.append, progress=cut_once)
        assert hashlib.sha256(b"".join(pieces)).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("media_id", [1, MAX_ID])
async def test_ids_of_any_length(media_id: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("chatsrv.media.ingest.random_id", lambda _: media_id)
    async with open_pair() as (_, ann, _):
        assert await ann.media.upload(io.BytesIO(b"x")) == media_id
        assert await ann.media.download(media_id, tmp_path / "x") == 1
        assert (await ann.media.urls(media_id)).url


async def test_without_http_there_are_no_media() -> None:
    async with open_server(
        quick(),
    ) as server:
        assert server.services.library is not None

    async with open_server(attrs.evolve(quick(), http=None)) as server, open_client(url_of(server, "tcp")) as ann:
        await ann.register("ann", PASSWORD)
        with pytest.raises(RequestRefused) as refused:
            await ann.media.upload(io.BytesIO(b"x"))
        assert refused.value.code == "media_off"
        with trio.fail_after(60), pytest.raises(RequestRefused):
            await ann.media.urls(1)


async def test_a_connection_lost_in_an_answer_worth_another_try(autojump_clock: trio.testing.MockClock) -> None:
    """The body of a 503 breaks off: another try, and no error of httpx."""

    class Broken(httpx.AsyncByteStream):
        def __aiter__(self) -> AsyncIterator[bytes]:
            raise httpx.ReadError("the connection broke")

    async def attempt() -> None:
        await module._Arriving(lambda _: None, None).take(httpx.Response(503, stream=Broken()))

    assert await module._again(attempt(), module._Pauses()) is None
