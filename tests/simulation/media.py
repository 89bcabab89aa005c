"""What devices do with files: bring them in one go and in pieces, send them, fetch them, give up half-way.

A file's bytes are drawn from a small number, so that two people often have the same one, and whoever fetches a medium
knows what has to come. All of it is attachments: a preview would be made by another process.
"""

import io
from typing import Any, Final
from urllib.parse import urljoin

import httpx

from chatsrv.client import Client, ProtocolViolation
from chatsrv.client.transfers import transfers
from chatsrv.http_calls import HttpResponse
from simulation.town import Brought, Device, Operation, content_of

PIECE: Final = 24 * 1024
"""Bytes of one request of the client library here, so that a small file has several."""

SIZES: Final = (1, 900, PIECE, PIECE + 1, 60_000, 90_000)


def _a_file(device: Device) -> tuple[int, int, bytes]:
    content, size = device.chance.randrange(12), device.chance.choice(SIZES)
    return content, size, content_of(content, size)


def _brought(device: Device, media_id: int, content: int, size: int) -> str:
    device.town.media.append(Brought(media_id, content, size))
    return device.town.world.name("medium", media_id)


async def _upload(device: Device, client: Client) -> str:
    content, size, data = _a_file(device)
    media_id = await client.media.upload(io.BytesIO(data), name=f"{device.name}.bin", kind="file")
    return _brought(device, media_id, content, size)


async def _upload_at_once(device: Device, client: Client) -> str:
    content, size, data = _a_file(device)
    key = {"idempotency-key": client.new_client_id().hex(), "upload-kind": "file"}
    async with device.town.world.web.asking(await client.http_access()) as http:
        for _ in range(3):
            answer = await _answered(http.post("/media", content=data, headers=key))
            if answer is not None:
                transfers._checked(_told(answer))
                return _brought(device, int(answer.json()["id"]), content, size)
    return "gave up"


async def _give_up(device: Device, client: Client) -> str:
    """Half of a file, a look how far it is, and then nothing more, or its end, or the rest after all."""
    content, size, data = _a_file(device)
    tus = {"tus-resumable": "1.0.0"}
    half = size // 2
    async with device.town.world.web.asking(await client.http_access()) as http:
        made = await _answered(
            http.post("/uploads", headers={**tus, "upload-length": str(size), "upload-metadata": "kind ZmlsZQ=="})
        )
        if made is None:
            return "gave up"
        transfers._checked(_told(made))
        place = urljoin("/uploads", made.headers["location"])
        await _answered(http.patch(place, content=data[:half], headers=_piece(tus, 0)))
        asked = await _answered(http.head(place, headers=tus))
        if asked is None or asked.is_error:
            return "gave up"
        there = int(asked.headers["upload-offset"])
        assert there in range(half + 1), f"{device.name} sent {half} bytes, and {there} are there"
        if device.flip(0.3):
            return "left it"
        if device.flip(0.6):
            await _answered(http.delete(place, headers=tus))
            return "ended it"
        answer = await _answered(http.patch(place, content=data[there:], headers=_piece(tus, there)))
        media_id = None if answer is None or answer.is_error else transfers._media_id(_told(answer))
        return "gave up" if media_id is None else _brought(device, media_id, content, size)


def _piece(tus: dict[str, str], offset: int) -> dict[str, str]:
    return {**tus, "upload-offset": str(offset), "content-type": "application/offset+octet-stream"}


def _told(response: httpx.Response) -> HttpResponse:
    return HttpResponse(response.status_code, response.headers, response.content)


async def _answered(request: Any) -> Any:
    """The answer, or None where the connection did not bring one, or one that would be worth another try."""
    try:
        answer = await request
    except httpx.TransportError:
        return None
    return None if answer.status_code in transfers._AGAIN else answer


async def _send_media(device: Device, client: Client) -> str:
    group_id, brought = device.group(), device.one_of(device.town.media[-12:])
    sent = await client.group(group_id).send_media(brought.media_id, f"{device.name}-{device.chance.getrandbits(40):x}")
    device.town.shown.append((group_id, sent.seq, brought.media_id))
    place = device.heard_stored(group_id, sent.seq, sent.id)
    return f"{device.town.world.name('medium', brought.media_id)} in {place}"


async def _download(device: Device, client: Client) -> str:
    """What comes is the whole file, or nothing."""
    brought: Brought = device.one_of(device.town.media[-20:])
    got = bytearray()
    await client.media.download(brought.media_id, got.extend)
    name = device.town.world.name("medium", brought.media_id)
    assert got == brought.bytes(), f"{device.name} got {len(got)} bytes of {name}, which are not those of the file"
    return name


async def _by_ticket(device: Device, client: Client) -> str:
    """By a signed URL, and only a part."""
    brought: Brought = device.one_of(device.town.media[-20:])
    urls = await client.media.urls(brought.media_id)
    start = device.chance.randrange(brought.size)
    async with device.town.world.web.asking(await client.http_access()) as http:
        del http.headers["authorization"]
        answer = await _answered(http.get(urls.url, headers={"range": f"bytes={start}-"}))
        if answer is None or answer.is_error:
            return "gave up"
        name = device.town.world.name("medium", brought.media_id)
        assert answer.content == brought.bytes()[start:], f"{device.name} got another part of {name}"
        return name


async def _thumbnail(device: Device, client: Client) -> None:
    """A file has none, and says so."""
    brought: Brought = device.one_of(device.town.media[-20:])
    await client.media.download(brought.media_id, lambda _: None, thumbnail=True)
    raise ProtocolViolation("an attachment has a thumbnail")


async def _list_media(device: Device, client: Client) -> None:
    listed, _ = await client.group(device.group()).media()
    assert [message.seq for message in listed] == sorted((message.seq for message in listed), reverse=True)


async def _room(device: Device, client: Client) -> str:
    """What one has uploaded, on its first page."""
    usage = await client.media.usage()
    assert usage.stored <= usage.quota
    return f"{usage.stored} bytes"


async def _bring_and_delete(device: Device, client: Client) -> str:
    """A file that nobody else has: what is deleted is nobody's loss."""
    data = content_of(device.chance.randrange(1_000, 10**9), 900)
    media_id = await client.media.upload(io.BytesIO(data), name="mistake.bin", kind="file")
    await client.media.delete(media_id)
    return device.town.world.name("medium", media_id)


OPERATIONS: Final[dict[str, Operation]] = {
    "upload": Operation(1.5, _upload),
    "upload_at_once": Operation(0.7, _upload_at_once),
    "upload_half": Operation(0.7, _give_up),
    "send_media": Operation(2, _send_media),
    "download": Operation(1, _download),
    "by_ticket": Operation(0.5, _by_ticket),
    "thumbnail": Operation(0.2, _thumbnail),
    "list_media": Operation(0.5, _list_media),
    "room": Operation(0.3, _room),
    "bring_and_delete": Operation(0.5, _bring_and_delete),
    "no_avatar": Operation(0.3, lambda device, client: client.group(device.group()).set_avatar(0)),
}
