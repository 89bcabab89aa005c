"""Connections that are opened without blocking: what is refused, or closed too soon, is told."""

import select
import socket

import pytest

from bench.workers.dial import Dial
from bench.workers.sockets import LoginFailed


def opened(url: str) -> Dial:
    """Poll as the load does, until it is open."""
    dial = Dial(url)
    wanted = select.EPOLLOUT
    with select.epoll() as poller:
        poller.register(dial.fileno(), wanted)
        while wanted:
            poller.modify(dial.fileno(), wanted)
            assert poller.poll(5)
            wanted = dial.go_on()
    return dial


def test_a_port_where_nobody_listens_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(LoginFailed, match="ECONNREFUSED"):
        opened(f"tcp://127.0.0.1:{port}")


def test_plain_tcp_is_open_when_it_is_connected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dial = opened(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        assert dial.send(b"hello") == 5
        dial.close()


@pytest.mark.parametrize(("answer", "sentence"), [(b"", "before its upgrade"), (b"HTTP/1.1 403 No\r\n\r\n", "403 No")])
def test_an_upgrade_that_does_not_happen_is_told(answer: bytes, sentence: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dial = Dial(f"ws://127.0.0.1:{listener.getsockname()[1]}")
        theirs, _ = listener.accept()
        with theirs:
            assert dial.go_on() == select.EPOLLIN
            assert b"Upgrade: websocket" in theirs.recv(4096)
            theirs.sendall(answer)
        with select.epoll() as poller:
            poller.register(dial.fileno(), select.EPOLLIN)
            assert poller.poll(5)
        with pytest.raises(LoginFailed, match=sentence):
            dial.go_on()
        dial.close()
