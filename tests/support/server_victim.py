"""A process with a server in it; tests kill it, and fill its disk.

    python -m support.server_victim FOLDER

It prints its URL once it is ready, and stops gracefully on SIGTERM. VICTIM_FILE_LIMIT bounds the bytes of each of its
files. Password hashes cost nothing here, and no rate is limited.
"""

import os
import resource
import signal
import sys
from pathlib import Path

import attrs
import trio

from chatsrv import open_server
from chatsrv.testing import QUICK


async def main(folder: Path) -> None:
    config = attrs.evolve(QUICK, data=folder, tcp="127.0.0.1:0", messages_per_second=0, address_per_second=0)
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with open_server(config) as server:
            print(server.urls[0], flush=True)
            async for _ in signals:
                break


if __name__ == "__main__":
    if limit := os.environ.get("VICTIM_FILE_LIMIT"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    trio.run(main, Path(sys.argv[1]))
