"""The base of every subject of a client: one way to build a command, and one to ask for its reply."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar, overload

from chatsrv.client.connection.pending_request import CommandReply
from chatsrv.client.errors import RequestRefused
from chatsrv.client.transfers.http_access import HttpAccess
from chatsrv_protocol import ProtocolError

P = ParamSpec("P")
C = TypeVar("C")
R = TypeVar("R")


class Commands(ABC):
    """A client as its subjects see it: they use these methods only."""

    @overload
    async def request(self, command: object) -> object: ...

    @overload
    async def request(self, command: object, reply: type[R]) -> R: ...

    @abstractmethod
    async def request(self, command: object, reply: type[object] = object) -> object:
        """Send any command of the protocol and wait for its reply (of the type named, for a type checker)."""

    @abstractmethod
    async def exchange(self, command: object, *, repeatable: bool = True) -> CommandReply:
        """The same, with the events that came before the reply."""

    @abstractmethod
    def new_client_id(self) -> bytes:
        """An id for one change: sent again with the same id, it has one effect."""

    @abstractmethod
    async def http_access(self) -> HttpAccess:
        """How to reach the server's HTTP side. Raises RequestRefused (media_off) where it has none."""

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


class Subject:
    """One subject of a client, such as `client.redpack`. It holds no state of its own and may be used by many tasks."""

    def __init__(self, client: Commands) -> None:
        self._client = client


class GroupSubject(Subject):
    """One subject of a group, which `group_id` names."""

    def __init__(self, client: Commands, group_id: int) -> None:
        super().__init__(client)
        self.group_id = group_id
