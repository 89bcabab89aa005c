"""The composition root: the only package that chooses implementations and puts a server together."""

from chatsrv.app.server import Server, open_server

__all__ = ["Server", "open_server"]
