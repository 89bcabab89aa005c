"""Every kind of fault while every kind of command is under way: what chance alone would leave out.

In a first round for each kind of fault all operations go on at once, spread over the devices, on a network where an
answer takes a while, and then the fault comes. In further rounds it is aimed: only what has not met this fault yet goes
on, and the fault comes when some of it is under way.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import trio

from chatsrv.commands.table import HANDLERS
from chatsrv_protocol.session import ResumeHere
from simulation import network
from simulation.devices import Person
from simulation.operations import OPERATIONS
from simulation.web import REQUESTS
from simulation.world import World

OF_A_BROWSER: Final = frozenset((ResumeHere,))
"""What needs a cookie in the handshake of a WebSocket, which no stream in memory has; tests/http/test_web_session.py has it."""

COMMANDS: Final = (*sorted(command.__name__ for command in HANDLERS if command not in OF_A_BROWSER), *REQUESTS)
"""Everything else that a client can ask: a new command of the server is one that has to be met."""

LATENCY: Final = 0.3
"""Seconds, at most."""

ROUNDS: Final = 20
"""For one kind of fault, the first included."""

COPIES: Final = 3
"""Of an operation in an aimed round."""


def missing(met: Mapping[tuple[str, str], int], fault: str) -> list[str]:
    """The commands that were never under way when this fault came."""
    return [command for command in COMMANDS if not met.get((fault, command))]


async def drill(world: World, people: Sequence[Person]) -> None:
    """Each fault in the middle of everything. The people have to be there."""
    for kind in (*world.kinds, *network.KINDS):
        await _round(world, people, kind, [*OPERATIONS], COMMANDS)
        for _ in range(ROUNDS - 1):
            wanted = missing(world.met, kind)
            if not wanted:
                break
            # What an operation asks for is learned as it goes on: one that was never done may ask for more.
            done = people[0].town.done
            names = [name for name in OPERATIONS if not (done[name] and world.uses[name].isdisjoint(wanted))]
            await _round(world, people, kind, [*names * COPIES, *["send"] * COPIES], wanted)


async def _round(world: World, people: Sequence[Person], kind: str, names: list[str], wanted: Sequence[str]) -> None:
    chance = world.chance
    await world.all_up()
    world.note(f"{len(names)} at once, and then {kind}")
    world.network.latency, world.wanted = LATENCY, frozenset(wanted)
    over = trio.Event()
    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(_again_and_again, chance.choice(people), name, over)
        await trio.sleep(chance.uniform(LATENCY / 4, LATENCY))
        await _until_under_way(world, wanted)
        if kind in network.KINDS:
            world.network.kinds, world.network.aim = (kind,), frozenset(wanted)
            await trio.sleep(2 * LATENCY)
            world.network.aim = frozenset()
        else:
            await world.make(kind)
            if kind in world.aimed:
                await trio.sleep(LATENCY)
        over.set()
    world.calm()


async def _until_under_way(world: World, wanted: Sequence[str]) -> None:
    """Until a good part of what is wanted was sent and not answered; the longer it takes, the less is asked."""
    part = 0.5
    while part > 0.01:
        under_way = {command for stream in world.network.streams for command in stream.under_way()}
        if len(under_way.intersection(wanted)) >= max(1, part * len(wanted)):
            return
        part *= 0.98
        await trio.sleep(LATENCY / 30)


async def _again_and_again(person: Person, name: str, over: trio.Event) -> None:
    while not over.is_set() and person.client is not None:
        await person.attempt(person.client, name)
        await trio.sleep(LATENCY / 10)
