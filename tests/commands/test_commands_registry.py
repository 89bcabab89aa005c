"""A handler that does not fit the protocol or the server is found when its module is imported."""

from collections.abc import Awaitable, Callable

import pytest

from chatsrv.clock import Clock
from chatsrv.commands import registry
from chatsrv.commands.context import Deferred, Request
from chatsrv.commands.registry import HANDLERS, RegisteredHandler, WrongHandler, handles, require_complete
from chatsrv.commands.table import MODULES
from chatsrv.config import Config
from chatsrv_protocol.common import Done, Ping, Pong
from chatsrv_protocol.messages import Send, Sent
from chatsrv_protocol.registry import REPLY_TO


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of these tests stays in the table."""
    monkeypatch.setattr(registry, "HANDLERS", {})


async def answers_wrongly(request: Request, command: Ping) -> Done:
    raise NotImplementedError


async def answers_nothing(request: Request, command: Send) -> None:
    raise NotImplementedError


async def defers_wrongly(request: Request, command: Send) -> Deferred[Done]:
    raise NotImplementedError


async def takes_no_command(request: Request, command: Pong) -> Pong:
    raise NotImplementedError


async def takes_no_request(request: Config, command: Ping) -> Pong:
    raise NotImplementedError


async def takes_more(request: Request, command: Ping, config: Config) -> Pong:
    raise NotImplementedError


async def names_no_service(request: Request, command: Ping, *, database: Config) -> Pong:
    raise NotImplementedError


async def mistakes_a_service(request: Request, command: Ping, *, clock: Config) -> Pong:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (answers_wrongly, "Ping is answered with Pong, not <class 'chatsrv_protocol.common.Done'>"),
        (answers_nothing, "Send is answered with Sent"),
        (defers_wrongly, "Send is answered with Sent"),
        (takes_no_command, "Pong'> is not a command"),
        (takes_no_request, "it must take a Request and a command"),
        (takes_more, "it must take a Request and a command"),
        (names_no_service, "no service 'database'"),
        (mistakes_a_service, f"no service 'clock' of type {Config}"),
    ],
)
def test_a_handler_that_does_not_fit_is_refused(handler: Callable[..., Awaitable[object]], problem: str) -> None:
    with pytest.raises(WrongHandler, match=handler.__name__) as error:
        handles(handler)
    assert problem in str(error.value)
    assert registry.HANDLERS == {}


async def tells_the_time(request: Request, command: Ping, *, clock: Clock) -> Pong:
    return Pong(clock.now_ms())


async def sends(request: Request, command: Send) -> Deferred[Sent]:
    raise NotImplementedError


def test_two_handlers_of_one_command_are_refused() -> None:
    handles(tells_the_time)
    with pytest.raises(WrongHandler, match="Ping has a handler already"):
        handles(tells_the_time)


def test_a_deferred_reply_counts_as_the_reply() -> None:
    handles(sends)
    assert {Send: RegisteredHandler(sends)} == registry.HANDLERS


async def test_a_handler_is_given_the_services_that_it_names() -> None:
    class FixedClock:
        def now_ms(self) -> int:
            return 77

    class Only:
        clock = FixedClock()

    class Asked:
        services = Only()

    handles(tells_the_time)
    assert await registry.HANDLERS[Ping].bind(Asked.services)(Asked(), Ping()) == Pong(77)  # type: ignore[arg-type]


def test_a_command_without_a_handler_is_found() -> None:
    handles(sends)
    with pytest.raises(LookupError, match=r"no handler answers .*Ping"):
        require_complete()


def test_each_module_of_the_table_has_handlers() -> None:
    """HANDLERS as it was imported: the fixture replaces it in its module only."""
    assert set(HANDLERS) == set(REPLY_TO)
    assert {handler.function.__module__ for handler in HANDLERS.values()} == {each.__name__ for each in MODULES}
