"""A process that writes notes and prints each number once it is acked; tests kill it, fill its disk, break its fsync.

    python -m support.storage_victim FOLDER WRITERS [NOTES]

It writes `NOTES` notes (else for ever), reports refusals as `refused CODE`, and goes on after them when a line arrives
on its standard input. VICTIM_FILE_LIMIT bounds the bytes of each of its files. The exit code is 3 when the storage failed.
"""

import os
import resource
import sys
from pathlib import Path

import trio

from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.interface import open_storage
from support.storage_kit import SCHEMA, add, notes


async def main(folder: Path, writers: int, most: int) -> int:
    numbers = iter(range(most))
    async with open_storage(folder, migrations=SCHEMA) as storage:
        print("open", len(await storage.read(notes)), flush=True)

        async def write() -> None:
            for number in numbers:
                try:
                    await storage.write(add(f"{number:06} " + "x" * 400))
                except Refusal as refusal:
                    kept = len(await storage.read(notes))  # reads go on
                    print("refused", refusal.code, kept, flush=True)
                    await trio.to_thread.run_sync(sys.stdin.readline)
                except StorageFailed:
                    print("failed", len(await storage.read(notes)), flush=True)
                    return
                else:
                    print("acked", f"{number:06}", flush=True)

        async with trio.open_nursery() as nursery:
            for _ in range(writers):
                nursery.start_soon(write)
        return 3 if storage.failed.is_set() else 0


if __name__ == "__main__":
    if limit := os.environ.get("VICTIM_FILE_LIMIT"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    sys.exit(trio.run(main, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 10**9))
