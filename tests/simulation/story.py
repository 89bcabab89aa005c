"""One seed from beginning to end: people, faults, calm, and the oracles."""

import hashlib
import random
import tempfile
from collections import Counter
from pathlib import Path

import attrs
import trio
import trio.testing
from money_kit import make_people

from chatsrv_storage import sessions
from chatsrv_storage.connection import Synchronous
from chatsrv_storage.port import Connection
from simulation import oracles
from simulation.devices import Device, Town
from simulation.world import World

PEOPLE, DEVICES = 5, 2
CENTS = 20_000


@attrs.define
class Told:
    """What became of a seed."""

    seed: int
    operations: Counter[str]
    faults: Counter[str]
    refused: Counter[str]
    lives: int
    met: set[tuple[str, str]]
    digest: str
    trace: list[str]


async def _settle_in(world: World) -> tuple[Town, list[Device]]:
    """Accounts with money and two devices each."""
    await world.up.wait()
    assert world.server is not None
    services = world.server.services
    now_ms = world.clock.now_ms()
    rng = random.Random(world.seed)
    people = await services.storage.write(make_people([f"p{n}" for n in range(PEOPLE)], CENTS, now_ms, services.ids))
    tokens = {(place, number): rng.randbytes(32) for place in range(PEOPLE) for number in range(DEVICES)}

    def more_devices(conn: Connection) -> None:
        for (place, _), token in tokens.items():
            sessions.create(conn, services.ids.next(now_ms), people[place].user_id, token, "device", now_ms)

    await services.storage.write(more_devices)
    town = Town(world, [(person.user_id, person.name) for person in people])
    devices = [
        Device(
            town, people[place].user_id, f"{people[place].name}.{number}", token, world.seed * 100 + place * 10 + number
        )
        for (place, number), token in tokens.items()
    ]
    return town, devices


async def _tell(seed: int, seconds: float, synchronous: Synchronous, folder: Path) -> Told:
    world = World(seed, folder, synchronous)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.run)
        town, devices = await _settle_in(world)
        for device in devices:
            nursery.start_soon(device.run)
        await trio.sleep(20)
        world.network.trouble = 0.02
        async with trio.open_nursery() as faults:
            faults.start_soon(world.trouble, 1 / 25)
            await trio.sleep(seconds)
            faults.cancel_scope.cancel()
        world.calm()
        for device in devices:
            device.stay = True
        with trio.fail_after(oracles.PATIENCE * 3):
            await oracles.everybody_converges(world, devices)
            await oracles.nothing_was_skipped(world, devices)
            await oracles.what_was_heard_is_what_is_stored(world, devices)
            await oracles.what_was_acked_is_stored(world, town)
            await oracles.only_members_spoke_and_once(world)
            await oracles.the_books_are_right(world)
            await oracles.nothing_is_left_over(world)
        world.finish()
        nursery.cancel_scope.cancel()
    world.disk.close()
    operations = town.done + town.unknown
    operations["refused"] = town.refused.total()
    digest = hashlib.sha256("\n".join(world.trace).encode()).hexdigest()
    return Told(seed, operations, world.faults, town.refused, world.lives, world.met, digest, world.trace)


def tell(seed: int, seconds: float = 600.0, synchronous: Synchronous = "FULL") -> Told:
    """Run one seed in a Trio of its own on a virtual clock, with scheduling drawn from the seed."""
    trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING = True  # what Hypothesis sets for the same reason
    trio._core._run._r.seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        clock = trio.testing.MockClock(autojump_threshold=0)
        return trio.run(_tell, seed, seconds, synchronous, Path(folder) / "data", clock=clock)
