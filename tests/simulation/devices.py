"""People with devices who talk, govern, send and open packets, go away and come back, all drawn from a seed.

A device uses the real client library. What it hears is checked at once: every event of a group once, in order, without
a gap. What it was told is stored (acks) is kept for the oracles.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
import trio

from chatsrv.client import Client, ClientError, RequestRefused, open_client
from chatsrv_protocol import NUMBER_OF, UnknownEvent, is_sequence_event, redpack
from chatsrv_protocol.groups import Removed
from simulation.world import World

NEVER: Final = frozenset(("internal", "client_id_conflict", "frame_broken", "unknown_type", "not_now", "session_ended"))
"""Refusals that would be a bug, whatever happens."""

OPERATION_TIME: Final = 400.0
"""Virtual seconds after which somebody gives up; the client library retries until then."""


@attrs.define(slots=False)
class Town:
    """What the people know of each other, and what they were promised."""

    world: World
    users: list[tuple[int, str]]
    groups: list[int] = attrs.field(factory=list)
    packets: list[tuple[int, int]] = attrs.field(factory=list)
    sent: list[tuple[int, int, int, str]] = attrs.field(factory=list)
    shares: dict[tuple[int, int], int] = attrs.field(factory=dict)
    done: Counter[str] = attrs.field(factory=Counter)
    refused: Counter[str] = attrs.field(factory=Counter)
    unknown: Counter[str] = attrs.field(factory=Counter)


@attrs.define(slots=False)
class Device:
    """One device of one user: what it heard since it was last started from nothing."""

    town: Town
    user_id: int
    name: str
    token: bytes
    seed: int
    heard: dict[int, list[tuple[int, int]]] = attrs.field(factory=dict)
    jumps: list[tuple[int, int, int]] = attrs.field(factory=list)
    stay: bool = False

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def last(self, group_id: int) -> int:
        """The last sequence number heard in a group; 0 for nothing."""
        heard = self.heard.get(group_id)
        return heard[-1][0] if heard else 0

    async def run(self) -> None:
        """Live: come, talk, go, until told to stay and listen."""
        while True:
            self.heard = {}
            try:
                async with (
                    open_client(
                        self.town.world.network.dial,
                        token=self.token,
                        from_start=True,
                        buffer=400,
                        random_bytes=self.chance.randbytes,
                        fraction=self.chance.random,
                    ) as client,
                    trio.open_nursery() as nursery,
                ):
                    nursery.start_soon(self._listen, client)
                    await self._talk(client)
                    nursery.cancel_scope.cancel()
            except* ClientError as group:
                self.town.world.note(f"{self.name}: {group.exceptions[0]!r:.80}")
            if not self.stay:
                await trio.sleep(self.chance.expovariate(1 / 30))

    async def _listen(self, client: Client) -> None:
        async for event in client.events():
            kind = type(event)
            if isinstance(event, Removed):
                self.heard.pop(event.group_id, None)
            elif isinstance(event, UnknownEvent) or (kind in NUMBER_OF and is_sequence_event(NUMBER_OF[kind])):
                heard = self.heard.setdefault(event.group_id, [])
                if heard and event.seq != heard[-1][0] + 1:
                    # Right only for one who was removed and let in again meanwhile, which the oracle looks up.
                    self.jumps.append((event.group_id, heard[-1][0], event.seq))
                    heard.clear()
                heard.append((event.seq, getattr(event, "id", 0)))

    async def _talk(self, client: Client) -> None:
        left = self.chance.randint(5, 40)
        while left or self.stay:
            if self.stay:
                await trio.sleep_forever()
            left -= 1
            await trio.sleep(self.chance.expovariate(1.5))
            name = self.chance.choices(list(OPERATIONS), [weight for weight, _ in OPERATIONS.values()])[0]
            await self.attempt(client, name)

    async def attempt(self, client: Client, name: str) -> None:
        """One operation: done, refused for a reason, or given up with its outcome unknown."""
        town = self.town
        outcome = "given up"
        town.world.under_way[name] += 1
        with trio.move_on_after(OPERATION_TIME):
            try:
                await OPERATIONS[name][1](self, client)
                outcome = "done"
                town.done[name] += 1
            except RequestRefused as refused:
                if refused.code in NEVER:
                    raise AssertionError(f"{name}: {refused}") from refused
                outcome = refused.code
                town.refused[refused.code] += 1
        town.world.under_way[name] -= 1
        if outcome == "given up":
            town.unknown[name] += 1
        town.world.note(f"{self.name} {name}: {outcome}")

    def group(self) -> int:
        """Some group, mostly a recent one."""
        if not self.town.groups:
            raise RequestRefused("group_unknown", "there is no group yet")
        return self.chance.choice(self.town.groups[-6:])

    def somebody(self) -> int:
        """Some user."""
        return self.chance.choice(self.town.users)[0]

    def seq(self, group_id: int) -> int:
        """Some event of a group, or one that is not there."""
        return self.chance.randint(1, max(2, self.last(group_id) + 1))


async def _make_group(device: Device, client: Client) -> None:
    others = [user_id for user_id, _ in device.town.users if device.chance.random() < 0.7]
    made = await client.make_group(f"g{len(device.town.groups)}", others, history=device.chance.random() < 0.6)
    device.town.groups.append(made.group_id)


async def _send(device: Device, client: Client) -> None:
    group_id = device.group()
    text = f"{device.name}-{device.chance.getrandbits(40):x}" + "x" * device.chance.choice([0, 0, 0, 300, 9000])
    sent = await client.send(group_id, text)
    device.town.sent.append((group_id, sent.seq, sent.id, text))


async def _send_many(device: Device, client: Client) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(device.chance.randint(2, 6)):
            nursery.start_soon(device.attempt, client, "send")


async def _packet(device: Device, client: Client) -> None:
    group_id, count = device.group(), device.chance.randint(1, 5)
    mode = device.chance.choice([redpack.LUCKY, redpack.SHUFFLED, redpack.EQUAL, redpack.NAMED])
    to = device.somebody() if mode == redpack.NAMED else 0
    count = 1 if mode == redpack.NAMED else count
    prepared = await client.prepare_packet(
        group_id, count * device.chance.randint(1, 90), count, mode=mode, receiver_id=to
    )
    await client.send_packet(group_id, prepared.packet_id, client_seed=device.chance.randbytes(32))
    device.town.packets.append((group_id, prepared.packet_id))


async def _open(device: Device, client: Client) -> None:
    if device.town.packets:
        group_id, packet_id = device.chance.choice(device.town.packets[-5:])
        share = await client.open_packet(group_id, packet_id)
        key = packet_id, device.user_id
        assert device.town.shares.setdefault(key, share.cents) == share.cents
        assert await client.balance() >= 0


async def _grab(device: Device, client: Client) -> None:
    if device.town.packets:
        await client.grab_packet(*device.chance.choice(device.town.packets[-5:]))


async def _edit(device: Device, client: Client) -> None:
    group_id = device.group()
    await client.edit(group_id, device.seq(group_id), f"edited {device.chance.getrandbits(30):x}")


async def _recall(device: Device, client: Client) -> None:
    group_id = device.group()
    await client.recall(group_id, device.seq(group_id))


async def _react(device: Device, client: Client) -> None:
    group_id = device.group()
    await client.react(group_id, device.seq(group_id), device.chance.choice("👍❤😂"), on=device.chance.random() < 0.8)


async def _pin(device: Device, client: Client) -> None:
    group_id = device.group()
    await client.pin(group_id, device.seq(group_id), on=device.chance.random() < 0.7)


async def _read(device: Device, client: Client) -> None:
    group_id = device.group()
    await client.mark_read(group_id, device.seq(group_id))


async def _history(device: Device, client: Client) -> None:
    group_id = device.group()
    events, page = await client.history(
        group_id, limit=device.chance.randint(1, 30), newest=device.chance.random() < 0.5
    )
    assert [event.seq for event in events] == list(range(page.first, page.last + 1)) or not events


Step = Callable[[Device, Client], Awaitable[Any]]

OPERATIONS: Final[dict[str, tuple[float, Step]]] = {
    "make_group": (1, _make_group),
    "send": (20, _send),
    "send_many": (4, _send_many),
    "edit": (3, _edit),
    "recall": (2, _recall),
    "react": (3, _react),
    "pin": (1, _pin),
    "read": (4, _read),
    "history": (3, _history),
    "packet": (3, _packet),
    "grab": (2, _grab),
    "open": (12, _open),
    "add": (3, lambda device, client: client.add_members(device.group(), [device.somebody()])),
    "remove": (1.5, lambda device, client: client.remove_member(device.group(), device.somebody())),
    "leave": (1, lambda device, client: client.leave_group(device.group())),
    "rename": (1, lambda device, client: client.rename_group(device.group(), f"n{device.chance.getrandbits(16)}")),
    "role": (
        1,
        lambda device, client: client.set_role(device.group(), device.somebody(), device.chance.choice([1, 2])),
    ),
    "mute": (0.5, lambda device, client: client.mute_member(device.group(), device.somebody())),
    "unmute": (1, lambda device, client: client.unmute_member(device.group(), device.somebody())),
    "groups": (2, lambda _, client: client.list_groups()),
    "members": (1, lambda device, client: client.members(device.group())),
    "balance": (1, lambda _, client: client.balance()),
    "statement": (1, lambda _, client: client.statement()),
    "withdraw": (0.5, lambda device, client: client.withdraw(device.chance.randint(1, 50))),
}
"""What a device does, and how often."""
