"""What the media store tests share: both twins behind one name, and a real S3-speaking server (moto) to talk to."""

import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from chatsrv.media.store.interface import MediaStore
from chatsrv.media.store.local import open_local_store
from chatsrv.media.store.s3 import open_s3_store
from chatsrv.media.store.s3_client import S3Settings
from chatsrv.media.store.sigv4 import S3Credentials

MEBI = 1024 * 1024

_MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def moto_server() -> Generator[str]:
    """A moto server in a process of its own on a free port of loopback: its endpoint."""
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with subprocess.Popen(
        [sys.executable, "-c", _MOTO],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def settings(endpoint: str, bucket: str) -> S3Settings:
    return S3Settings(endpoint, bucket, S3Credentials("AKIDEXAMPLE", "secret"), prefix="chat/")


class Clock:
    """Wall-clock seconds that a test moves."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@asynccontextmanager
async def open_twin(kind: str, folder: Path, endpoint: str, bucket: str, clock: Clock) -> AsyncGenerator[MediaStore]:
    if kind == "local":
        yield await open_local_store(folder, now=clock)
    else:
        async with open_s3_store(settings(endpoint, bucket), folder / "partial", now=clock) as store:
            yield store


async def put(store: MediaStore, data: bytes) -> str:
    async with await store.begin(max_bytes=len(data)) as writer:
        await writer.write(data)
        return (await writer.commit()).sha256


async def get(store: MediaStore, sha256: str, start: int = 0, stop: int | None = None) -> bytes:
    async with await store.open(sha256, start=start, stop=stop) as blob:
        data = b"".join([chunk async for chunk in blob])
        assert len(data) == blob.stop - blob.start
        return data


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
