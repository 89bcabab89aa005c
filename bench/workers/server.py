"""A child process that is the server under test: `open_server` on a data folder, as `chatsrv serve` runs it.

It is told its settings by a line of JSON, answers its URLs, then what it used each time it is asked.
"""

import os
from typing import Any

import trio

from bench.workers.control import hear_line, raise_file_limit, say, usage
from chatsrv.app import open_server
from chatsrv.app.tuning import server_is_ready, tune_interpreter
from chatsrv.config import Config


async def main(settings: dict[str, Any]) -> None:
    """Serve until the parent closes our standard input."""
    async with open_server(Config(**settings)) as server:
        server_is_ready()
        say({"urls": list(server.urls), "pid": os.getpid()})
        async with trio.lowlevel.FdStream(os.dup(0)) as stdin:
            while line := await stdin.receive_some():
                for _ in range(line.count(b"\n")):
                    say({**usage(), "connections": server.connections})


if __name__ == "__main__":
    raise_file_limit()
    tune_interpreter()
    first = hear_line()
    if first is not None:
        trio.run(main, first)
