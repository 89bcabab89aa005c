"""`python -m bench.scenarios.media`: what uploads and thumbnails cost the chat. 20 uploads of 50 MB while 20 thumbnails are made.

Three processes: the server, the uploads (this one's child), and the chat, which sends 50 messages a second in one group
and measures from sending to hearing on another connection. The same chat is measured before, with nothing else going on.
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import trio
from PIL import Image

from chatsrv.client import Client, open_client
from chatsrv_protocol.messages import Message

PASSWORD: Final = "a long password"
P99_MS: Final = 100.0
GROWTH_MIB: Final = 64.0
RATE: Final = 50.0

_SERVER: Final = (
    "--tcp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--open-registration",
    "--password-time", "1", "--password-memory", "8", "--log-level", "warning",
)  # fmt: skip


async def main(options: argparse.Namespace) -> dict[str, Any]:
    """Run it and answer the figures."""
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-", dir=options.folder) as folder:
        command = [
            sys.executable,
            "-m",
            "chatsrv",
            "serve",
            "--data",
            folder,
            *_SERVER,
            "--durability",
            options.durability,
        ]
        process = await trio.lowlevel.open_process(command, stdout=-1)
        assert process.stdout is not None
        said = b""
        while said.count(b"\n") < 2:
            said += await process.stdout.receive_some()
        try:
            return await _measure(said.split()[1].decode(), process.pid, options)
        finally:
            process.terminate()
            await process.wait()


async def _measure(url: str, pid: int, options: argparse.Namespace) -> dict[str, Any]:
    async with open_client(url, follow=False) as ann, open_client(url) as bob:
        await ann.register("ann", PASSWORD)
        await bob.register("bob", PASSWORD)
        group_id = (await ann.groups.create("talk", [bob_id(bob)])).group_id
        # What a first upload makes the server load (the worker, httpx here) is no growth.
        await ann.media.upload(io.BytesIO(photo(0)), kind="image")
        await _talk(ann, bob, group_id, 0.5)
        before = memory_of(pid)
        alone = await _talk(ann, bob, group_id, options.seconds)
        uploads = await trio.lowlevel.open_process(
            [
                sys.executable,
                "-m",
                "bench.scenarios.media",
                "--uploads-to",
                url,
                "--count",
                str(options.count),
                "--mb",
                str(options.mb),
            ],
            stdout=-1,
        )
        peak = _Peak(pid)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peak.watch)
            during = await _talk(ann, bob, group_id, 0, until=uploads)
            nursery.cancel_scope.cancel()
        assert uploads.stdout is not None
        took = json.loads(await uploads.stdout.receive_some(65536))
    growth = (peak.most - before) / 2**20
    figures = {
        "uploads": options.count,
        "megabytes_each": options.mb,
        **took,
        "alone": alone,
        "during": during,
        "server_rss_mib_before": round(before / 2**20, 1),
        "server_growth_mib": round(growth, 1),
    }
    return {**figures, "passed": during["p99_ms"] < P99_MS and growth < GROWTH_MIB and took["failed"] == 0}


def bob_id(client: Client) -> int:
    """Return who a client is."""
    me = client.me
    assert me is not None
    return me.user_id


class _Peak:
    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.most = 0

    async def watch(self) -> None:
        while True:
            self.most = max(self.most, memory_of(self._pid))
            await trio.sleep(0.02)


def memory_of(pid: int) -> int:
    """Return what a process holds in memory: bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _talk(
    ann: Client, bob: Client, group_id: int, seconds: float, *, until: trio.Process | None = None
) -> dict[str, float]:
    """Send messages at a steady rate, timed from the moment they were due: a wait of the sender counts too."""
    due: dict[str, float] = {}
    taken: list[float] = []
    over = trio.Event()

    async def hear() -> None:
        async for event in bob.events():
            if isinstance(event, Message) and event.text in due:
                taken.append(trio.current_time() - due.pop(event.text))
                if over.is_set() and not due:
                    return

    async def say(text: str) -> None:
        await ann.group(group_id).send(text)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        began = trio.current_time()
        number = 0
        while trio.current_time() - began < seconds or (until is not None and until.poll() is None):
            at = began + number / RATE
            await trio.sleep_until(at)
            text = f"{at:.6f}"
            due[text] = at
            nursery.start_soon(say, text)
            number += 1
        over.set()
        with trio.move_on_after(5):
            while due:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    taken.sort()
    return {
        "messages": number,
        "lost": len(due),
        "p50_ms": round(taken[len(taken) // 2] * 1000, 2),
        "p99_ms": round(taken[int(len(taken) * 0.99)] * 1000, 2),
        "max_ms": round(taken[-1] * 1000, 2),
    }


def photo(number: int) -> bytes:
    """Return a picture of 12 megapixels, as a telephone makes them."""
    noise: Any = Image.effect_noise((500, 375), 60)
    image: Image.Image = noise.convert("RGB").resize((4000, 3000))
    image.paste((number * 10 % 256, 100, 200), (0, 0, 300, 300))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


class Zeros:
    """A file of so many bytes that are nowhere, different for each `seed`."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._at = 0
        self._block = seed.to_bytes(8, "big") * 8192

    def read(self, size: int, /) -> bytes:
        taken = min(size, self._size - self._at, len(self._block))
        self._at += taken
        return self._block[:taken]

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = offset if whence == 0 else self._size + offset
        return self._at


async def load(url: str, count: int, megabytes: int) -> dict[str, Any]:
    """Upload as many files and as many photos as said, all at once, two by each user."""
    failed = 0
    photos = [photo(number) for number in range(count)]
    thumbnails: list[float] = []
    files: list[float] = []
    began = time.perf_counter()

    async def bring(client: Client, number: int, source: Any, kind: str, times: list[float]) -> None:
        nonlocal failed
        try:
            await client.media.upload(source, name=f"{kind} {number}", kind=kind)
            times.append(time.perf_counter() - began)
        except Exception as error:  # noqa: BLE001  # counted, and said
            sys.stderr.write(f"an upload failed: {error!r}\n")
            failed += 1

    async def one(number: int) -> None:
        async with open_client(url, follow=False) as client, trio.open_nursery() as nursery:
            await client.register(f"load{number}", PASSWORD)
            nursery.start_soon(bring, client, number, Zeros(megabytes * 1_000_000, number), "file", files)
            nursery.start_soon(bring, client, number, io.BytesIO(photos[number]), "image", thumbnails)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(one, number)
    seconds = max(files, default=0.001)
    return {
        "failed": failed,
        "uploads_took_s": round(seconds, 2),
        "thumbnails_took_s": round(max(thumbnails, default=0), 2),
        "received_mb_per_s": round(count * megabytes / seconds, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m bench.scenarios.media", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--count", type=int, default=20, help="uploads, and thumbnails")
    parser.add_argument("--mb", type=int, default=50, help="of each upload")
    parser.add_argument("--seconds", type=float, default=5.0, help="of the chat alone, before")
    parser.add_argument(
        "--folder", type=Path, help="where the data folder is made (default: the system's temporary folder)"
    )
    parser.add_argument("--durability", default="full", help="off: what the disk's fsync has to do with it")
    parser.add_argument("--uploads-to", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.uploads_to:
        sys.stdout.write(json.dumps(trio.run(load, asked.uploads_to, asked.count, asked.mb)))
    else:
        answer = trio.run(main, asked)
        sys.stdout.write(json.dumps(answer, indent=1) + "\n")
        sys.exit(0 if answer["passed"] else 1)
