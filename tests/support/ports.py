"""Ports of 127.0.0.1 for servers that have to be told theirs before they start."""

import itertools
import os
import random
import socket
from collections.abc import Iterator

FIRST_PORT, LAST_PORT = 20_000, 32_000
"""Below those that Linux gives to whoever asks for any: none of these is taken between being chosen and being used."""
MAX_PROCESSES = 16
"""Processes of one run of the tests that choose different ones."""


def _numbers() -> Iterator[int]:
    """All of this process, again and again, from somewhere on: another run on this machine begins elsewhere."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % MAX_PROCESSES
    mine = range(FIRST_PORT + worker, LAST_PORT, MAX_PROCESSES)
    start = random.SystemRandom().randrange(len(mine))
    return itertools.cycle([*mine[start:], *mine[:start]])


_NEXT = _numbers()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port_numbers(count: int) -> list[int]:
    """Ports that nobody listens on now, all different, and chosen by nobody else of this run."""
    return list(itertools.islice(filter(_is_free, _NEXT), count))


def free_address() -> str:
    """One of them with its host, for a server that is started again at the same address.

    While it is away its clients ask for it again and again: at a port that Linux gives out one of them may, by chance, be
    given that port for its own end, connect to itself, and be in the server's way.
    """
    (port,) = free_port_numbers(1)
    return f"127.0.0.1:{port}"


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0
