"""The socket of a page in a test's hand: held up, and cut."""

from collections.abc import Callable

from playwright.sync_api import Page, WebSocketRoute


class Gate:
    """A page's socket, which a test can hold up: what is held comes later, in order. Made before the page is opened."""

    def __init__(self, page: Page) -> None:
        self.sockets = 0
        """Sockets that were opened so far."""
        self._up_is_open = self._down_is_open = True
        self._held: list[Callable[[], None]] = []
        self._ends: list[WebSocketRoute] = []
        page.route_web_socket("**/chat", self._opened)

    def _opened(self, socket: WebSocketRoute) -> None:
        self.sockets += 1
        self._held.clear()  # what the one before held is lost with it
        server = socket.connect_to_server()
        self._ends = [socket, server]
        socket.on_message(lambda data: self._pass(self._up_is_open, lambda: server.send(data)))
        server.on_message(lambda data: self._pass(self._down_is_open, lambda: socket.send(data)))

    def _pass(self, is_open: bool, send: Callable[[], None]) -> None:
        if is_open:
            send()
        else:
            self._held.append(send)

    def shut(self, *, up: bool = True, down: bool = True) -> None:
        """Hold what the page sends (`up`) and what it is sent (`down`)."""
        self._up_is_open, self._down_is_open = not up, not down

    def cut(self) -> None:
        """Break the connection on both sides; the page makes another."""
        for end in self._ends:
            end.close()

    def open(self) -> None:
        """Let through what was held, and what comes."""
        self._up_is_open = self._down_is_open = True
        for send in self._held:
            send()
        self._held.clear()
