"""One seed from beginning to end: people, faults, calm, and the oracles; and a short story of it where it fails."""

import contextlib
import hashlib
import random
import re
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.testing
from support.money_kit import make_people

from chatsrv.client.connection import session
from chatsrv.client.connection.connection import ServerConnection
from chatsrv.client.transfers import transfers
from chatsrv_protocol.session import LoggedIn
from chatsrv_storage.accounts import accounts, sessions
from chatsrv_storage.engine.connection import Synchronous
from chatsrv_storage.interface import SqlConnection
from simulation import media, media_oracles, node_oracles, oracles
from simulation.devices import Person, operations
from simulation.drill import drill
from simulation.hang import Hang, Watch
from simulation.hearing import Hearing
from simulation.network import FaultyStream
from simulation.nodes import NODE_FAULTS, ClusterWorld
from simulation.replaced import replaced
from simulation.town import Town
from simulation.world import FAULTS, World

PEOPLE, DEVICES = 5, 2
CENTS = 20_000


@attrs.define
class Told:
    """What became of a seed."""

    seed: int
    operations: Counter[str]
    done: Counter[str]
    faults: Counter[str]
    refused: Counter[tuple[str, str]]
    lives: int
    met: Counter[tuple[str, str]]
    digest: str
    trace: list[str]
    steps: int
    busiest: int


class Found(AssertionError):
    """A seed found something: what, and what led to it."""

    def __init__(self, seed: int, error: BaseException, world: World | None) -> None:
        self.seed = seed
        words = (
            f"{type(error).__name__}: {error}"
            if not str(error) or not isinstance(error, AssertionError)
            else str(error)
        )
        names = {} if world is None else world.names
        self.what = re.sub(r"\d{15,}", lambda found: names.get(int(found[0]), found[0]), words)[:600]
        lines = [] if world is None else short_story(world.trace, self.what)
        super().__init__("\n".join([f"seed {seed}: {self.what}", *lines]))


def short_story(trace: list[str], what: str) -> list[str]:
    """The last lines of a trace that speak of those whom the finding names, the last faults, and the very last lines."""
    named = re.findall(r"\b(?:p\d\.\d|g\d+/\d+|packet\d+|medium\d+)\b", what)
    about = re.compile("|".join(rf"\b{each}\b" for each in named) or "$^")
    faults = re.compile("server gone|" + "|".join(rf" {kind}\b" for kind in (*FAULTS, *NODE_FAULTS)))
    last = set(range(max(0, len(trace) - 6), len(trace)))
    for pattern, most in ((about, 12), (faults, 12)):
        last.update([place for place, line in enumerate(trace) if pattern.search(line)][-most:])
    return [f"  {trace[place]}" for place in sorted(last)]


def watched_link(world: World) -> type[ServerConnection]:
    """A client's connection whose stream knows what is under way."""

    class WatchedLink(ServerConnection):
        def __init__(self, stream: trio.abc.Stream, *args: Any) -> None:
            super().__init__(stream, *args)
            assert isinstance(stream, FaultyStream)
            stream.under_way = lambda: [type(call.command).__name__ for call in self._pending.values()]
            self._hearing = Hearing(world)

        def _send(self, call: Any) -> None:
            world.sent(type(call.command).__name__)
            super()._send(call)

        def _answered(self, request_id: int, message: Any) -> None:
            if isinstance(message, LoggedIn):
                self._hearing.user_id = message.user_id
            super()._answered(request_id, message)

        def _heard(self, message: Any) -> None:
            self._hearing.heard(message)
            super()._heard(message)

    return WatchedLink


async def _inline(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """In place of a thread: at once, so that the order of things follows from the seed."""
    del options
    await trio.lowlevel.checkpoint()
    return function(*args)


@contextmanager
def _simulated(world: World) -> Generator[None]:
    """The few places where the code would reach out of the simulation."""
    with ExitStack() as stack:
        stack.enter_context(world.media.in_use())
        stack.enter_context(replaced(trio.to_thread, "run_sync", _inline))
        stack.enter_context(replaced(session, "ServerConnection", watched_link(world)))
        stack.enter_context(replaced(transfers, "_http", world.web.client))
        stack.enter_context(replaced(transfers, "UPLOAD_CHUNK_BYTES", media.PIECE))
        yield


async def _settle_in(world: World) -> tuple[Town, list[Person]]:
    """Accounts with money and two devices each; the first is an operator's."""
    services = (await world.all_up()).services
    now_ms = world.clock.now_ms()
    rng = random.Random(world.seed)
    people = await services.storage.write(make_people([f"p{n}" for n in range(PEOPLE)], CENTS, now_ms, services.ids))
    tokens = {(place, number): rng.randbytes(32) for place in range(PEOPLE) for number in range(DEVICES)}

    def more_devices(conn: SqlConnection) -> None:
        for (place, _), token in tokens.items():
            sessions.create(conn, services.ids.next(now_ms), people[place].user_id, token, "device", now_ms)
        accounts.set_operator(conn, "the simulation", people[0].name, True, now_ms)

    await services.storage.write(more_devices)
    world.names.update({person.user_id: person.name for person in people})
    town = Town(world, [(person.user_id, person.name) for person in people])
    devices = [
        Person(
            town, people[place].user_id, f"{people[place].name}.{number}", token, world.seed * 100 + place * 10 + number
        )
        for (place, number), token in tokens.items()
    ]
    return town, devices


@asynccontextmanager
async def _everybody(people: list[Person]) -> AsyncGenerator[None]:
    """All devices live while the block runs."""
    async with trio.open_nursery() as nursery:
        for person in people:
            nursery.start_soon(person.run)
        yield
        nursery.cancel_scope.cancel()


async def _tell(world: World, seconds: float, watch: Watch, *, drilled: bool) -> Town:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.run)
        town, people = await _settle_in(world)
        world.on_life = lambda: oracles.after_a_restart(world, town)
        world.disk.on_commit = lambda connection: oracles.at_a_commit(world, connection)
        nursery.start_soon(oracles.keep_within_bounds, world, town)
        idle = await oracles.tasks_of_a_server(world)
        async with _everybody(people):
            await trio.sleep(20)
            world.network.trouble = 0.03
            with trio.move_on_after(seconds):
                await world.trouble(1 / 20)
            world.calm()
            for person in people:
                person.stay = True
            with trio.fail_after(oracles.PATIENCE):
                await oracles.everybody_is_there(people)
            if drilled:
                await drill(world, people)
            world.calm()
            with trio.fail_after(oracles.PATIENCE * 3):
                await oracles.at_the_end(world, town, people)
                if isinstance(world, ClusterWorld):
                    await node_oracles.at_the_end(world, people)
                await media_oracles.at_the_end(world, town, people)
                await oracles.every_packet_comes_to_an_end(world, town)
        with trio.fail_after(oracles.PATIENCE):
            await oracles.nothing_is_left_over(world, idle)
        world.finish()
        nursery.cancel_scope.cancel()
    return town


def tell(
    seed: int,
    seconds: float = 400.0,
    synchronous: Synchronous = "FULL",
    *,
    drilled: bool = True,
    of: type[World] = World,
) -> Told:
    """Run one seed in a Trio of its own on a virtual clock, with scheduling drawn from the seed, with the drill at its end.

    `of` says how the server lives: World has one on a disk that loses power, ClusterWorld several nodes on one database.
    Raises Found, with a short story, where something does not hold or goes on for ever.
    """
    trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING = True  # what Hypothesis sets for the same reason
    trio._core._run._r.seed(seed)
    watch = Watch(of.most_steps)
    worlds: list[World] = []
    town: Town | None = None

    async def main(folder: Path) -> None:
        nonlocal town
        world = of(seed, folder, synchronous, watch.scope)
        worlds.append(world)
        with contextlib.closing(world.disk), _simulated(world), watch.scope:
            town = await _tell(world, seconds, watch, drilled=drilled)

    with tempfile.TemporaryDirectory() as folder:
        clock = trio.testing.MockClock(autojump_threshold=0)
        try:
            trio.run(main, Path(folder).resolve() / "data", clock=clock, instruments=[watch])
            assert not worlds[0].broken, worlds[0].broken
            if watch.found:
                raise Hang(watch.found)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise Found(seed, Hang(watch.found) if watch.found else _cause(error), *worlds[:1] or [None]) from error
    assert town is not None
    (world,) = worlds
    world.trace.append(f"{watch.steps} steps, bytes {world.network.bytes_seen.hexdigest()}")
    digest = hashlib.sha256("\n".join(world.trace).encode()).hexdigest()
    return Told(
        seed,
        operations(town),
        town.done,
        world.faults,
        town.refused,
        world.lives,
        world.met,
        digest,
        world.trace,
        watch.steps,
        watch.busiest,
    )


def _cause(error: BaseException) -> BaseException:
    """The first error in a group that is a finding, or the first of all."""
    leaves = [error]
    while any(isinstance(each, BaseExceptionGroup) for each in leaves):
        leaves = [
            leaf for each in leaves for leaf in (each.exceptions if isinstance(each, BaseExceptionGroup) else [each])
        ]
    return next((each for each in leaves if isinstance(each, AssertionError)), leaves[0])
