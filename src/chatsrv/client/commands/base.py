"""The base of a client's subjects: one way to build a command, and one to wait for its reply."""

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
    """The part of a client that its subjects use."""

    @overload
    async def request(self, command: object) -> object: ...

    @overload
    async def request(self, command: object, reply: type[R]) -> R: ...

    @abstractmethod
    async def request(self, command: object, reply: type[object] = object) -> object:
        """Send a command of the protocol and return its reply, which is of the type `reply` (for a type checker)."""

    @abstractmethod
    async def exchange(self, command: object, *, repeatable: bool = True) -> CommandReply:
        """Send a command and return its reply with the events that came before it."""

    @abstractmethod
    def new_client_id(self) -> bytes:
        """Return 16 bytes that identify one change: sent again with the same id, the change has one effect."""

    @abstractmethod
    async def http_access(self) -> HttpAccess:
        """Return the address of the server's HTTP side. Raises RequestRefused (media_off) where it has none."""

    def build(self, command: Callable[P, C], *args: P.args, **kwargs: P.kwargs) -> C:
        """Make a command. Raises RequestRefused (bad_field) where a field cannot have its value, as the server would."""
        try:
            return command(*args, **kwargs)
        except ProtocolError as error:
            raise RequestRefused.of_own(error) from None

    def change(self, command: Callable[Concatenate[bytes, P], C], *args: P.args, **kwargs: P.kwargs) -> C:
        """Make a command whose first field is a client id, with a new id. Raises RequestRefused as `build` does."""
        try:
            return command(self.new_client_id(), *args, **kwargs)
        except ProtocolError as error:
            raise RequestRefused.of_own(error) from None


class Subject:
    """A group of a client's commands, such as `client.redpack`. It has no state and may be used by many tasks."""

    def __init__(self, client: Commands) -> None:
        self._client = client


class GroupSubject(Subject):
    """A group of a client's commands about one chat group, which `group_id` names."""

    def __init__(self, client: Commands, group_id: int) -> None:
        super().__init__(client)
        self.group_id = group_id
