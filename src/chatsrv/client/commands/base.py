"""What every subject's convenience methods stand on: one way to build a command, and one to ask for its reply."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from chatsrv.client.connection.pending_request import CommandReply
from chatsrv.client.errors import RequestRefused
from chatsrv_protocol import ProtocolError

P = ParamSpec("P")
C = TypeVar("C")
R = TypeVar("R")


class Commands(ABC):
    """A client as its subjects see it. Every subject is a class of its own that only uses these methods."""

    @overload
    async def request(self, command: object) -> Any: ...

    @overload
    async def request(self, command: object, reply: type[R]) -> R: ...

    @abstractmethod
    async def request(self, command: object, reply: type[Any] = object) -> Any:
        """Send any command of the protocol and wait for its reply (of the type named, for a type checker)."""

    @abstractmethod
    async def exchange(self, command: object, *, repeatable: bool = True) -> CommandReply:
        """The same, with the events that came before the reply."""

    @abstractmethod
    def new_client_id(self) -> bytes:
        """An id for one change: sent again with the same id, it has one effect."""

    def build(self, command: Callable[P, C], *args: P.args, **kwargs: P.kwargs) -> C:
        """A command. Raises RequestRefused where a field cannot have its value, as the server would."""
        try:
            return command(*args, **kwargs)
        except ProtocolError as error:
            raise RequestRefused.of_own(error) from None

    def change(self, command: Callable[Concatenate[bytes, P], C], *args: P.args, **kwargs: P.kwargs) -> C:
        """A command whose first field is a client id, with a new one. Raises RequestRefused like `build`."""
        try:
            return command(self.new_client_id(), *args, **kwargs)
        except ProtocolError as error:
            raise RequestRefused.of_own(error) from None
