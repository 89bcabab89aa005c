"""A network between a browser and servers, that breaks in the middle of what goes up."""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress


def nothing_more() -> None:
    """Let the network break, and that is all."""


class Relay:
    """A network between a browser and a server: it breaks, with every connection, whenever so many bytes went up.

    on_cut: called in a thread of its own before the connections break; it may name another `target`.
    """

    def __init__(
        self, target: tuple[str, int], cuts: tuple[int, ...], on_cut: Callable[[], None] = nothing_more
    ) -> None:
        self.target = target
        """Where new connections go."""
        self.sent = 0
        """Bytes that went up so far."""
        self.breaks = 0
        """How often the network broke."""
        self._cuts = list(cuts)
        self._on_cut = on_cut
        self._lock = threading.Lock()
        self._open = set[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self.target)
                except OSError:  # the server has just ended
                    near.close()
                    continue
                with self._lock:
                    self._open |= {near, far}
                for source, target, counts in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._copy, args=(source, target, counts), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        try:
            while data := source.recv(65536):
                if counts and self._is_cut(len(data)):
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:  # either end is gone: so is the other
            _break_off({source, target})

    def _is_cut(self, count: int) -> bool:
        with self._lock:
            self.sent += count
            if not self._cuts or self.sent < self._cuts[0]:
                return False
            del self._cuts[0]
            self.breaks += 1
            self._on_cut()
            broken, self._open = self._open, set()
        _break_off(broken)
        return True

    def close(self) -> None:
        """End the listener and every connection."""
        self._listener.close()
        with self._lock:
            for one in self._open:
                one.close()


def _break_off(connections: set[socket.socket]) -> None:
    for one in connections:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextmanager
def relaying(
    target: tuple[str, int], cuts: tuple[int, ...], on_cut: Callable[[], None] = nothing_more
) -> Generator[Relay]:
    """A relay, which is closed at the end."""
    relay = Relay(target, cuts, on_cut)
    try:
        yield relay
    finally:
        relay.close()


def address_of(url: str) -> tuple[str, int]:
    """Host and port of a URL that names both."""
    host, _, port = url.partition("://")[2].rstrip("/").rpartition(":")
    return host, int(port)
