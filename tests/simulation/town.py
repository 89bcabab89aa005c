"""What the people of the simulation know of each other, and what they were promised."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from chatsrv.client import Client, RequestRefused
from simulation.world import World

PASSWORD = "a password of the simulation"


@attrs.define(slots=False)
class Guest:
    """An account that somebody made in passing, to log in with a password."""

    name: str
    password: str
    tried: str = ""


@attrs.frozen
class Brought:
    """A medium that was uploaded: who has it, and what its bytes are drawn from."""

    media_id: int
    content: int
    size: int

    def bytes(self) -> bytes:
        """What the server has to answer."""
        return content_of(self.content, self.size)


def content_of(content: int, size: int) -> bytes:
    """The bytes of a file: the same for everybody who draws the same."""
    return random.Random(content).randbytes(size)


@attrs.define(slots=False)
class Town:
    """What the people know of each other, and what they were promised."""

    world: World
    users: list[tuple[int, str]]
    groups: list[int] = attrs.field(factory=list)
    packets: list[tuple[int, int]] = attrs.field(factory=list)
    codes: list[tuple[int, str]] = attrs.field(factory=list)
    banned: list[tuple[int, int]] = attrs.field(factory=list)
    asking: list[tuple[int, int]] = attrs.field(factory=list)
    media: list[Brought] = attrs.field(factory=list)
    shown: list[tuple[int, int, int]] = attrs.field(factory=list)
    sent: list[tuple[int, int, int]] = attrs.field(factory=list)
    shares: dict[tuple[int, int], int] = attrs.field(factory=dict)
    guests: list[Guest] = attrs.field(factory=list)
    running: int = 0
    """Operations under way."""
    done: Counter[str] = attrs.field(factory=Counter)
    refused: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    unknown: Counter[str] = attrs.field(factory=Counter)


@attrs.define(slots=False)
class Device:
    """One device of one user, as the operations see it."""

    town: Town
    user_id: int
    name: str
    token: bytes
    seed: int
    client: Client | None = None

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def last(self, group_id: int) -> int:
        """The last sequence number heard in a group; 0 for nothing."""
        raise NotImplementedError

    def follows(self) -> list[int]:
        """The groups it hears of."""
        raise NotImplementedError

    async def attempt(self, client: Client, name: str) -> None:
        """One operation, whatever becomes of it."""
        raise NotImplementedError

    def group(self) -> int:
        """Some group, mostly a recent one of mine."""
        mine = self.follows()
        if mine and self.chance.random() < 0.9:
            return self.chance.choice(mine[-8:])
        return self.one_of(self.town.groups[-6:])

    def one_of(self, things: list[Any]) -> Any:
        """Some of these. Raises RequestRefused where there is none."""
        if not things:
            raise RequestRefused("nothing_there", "there is none yet")
        return self.chance.choice(things)

    def somebody(self) -> int:
        """Some user."""
        return self.chance.choice(self.town.users)[0]

    def seq(self, group_id: int) -> int:
        """Some event of a group, mostly a recent one, or one that is not there."""
        last = self.last(group_id)
        return self.chance.randint(max(1, last - 8), max(2, last + 1))

    def heard_stored(self, group_id: int, seq: int, message_id: int) -> str:
        """Note that this was acked, and look whether it is stored at this very moment; answers its name."""
        world = self.town.world
        self.town.sent.append((group_id, seq, message_id))
        row = world.disk.ask("select id from message where group_id = ? and seq = ?", (group_id, seq))
        place = f"{world.name('g', group_id)}/{seq}"
        assert row is None or row == [(message_id,)], f"{self.name}: {place} is acked and not stored"
        return place

    def flip(self, chance: float) -> bool:
        """True that often."""
        return self.chance.random() < chance


@attrs.frozen
class Operation:
    """A step of a device. What `act` answers, if it is a word, stands in the trace; `weight` is how often it is drawn."""

    weight: float
    act: Callable[[Device, Client], Awaitable[Any]]
