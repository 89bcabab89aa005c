"""People with devices who come, do what the seed draws, and go: what they hear is checked at once, what they are told
is kept for the oracles.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import attrs
import trio

from chatsrv.client import Client, ClientError, RequestRefused, SequenceEvent, open_client
from chatsrv_protocol.groups import Removed
from simulation.operations import OPERATIONS
from simulation.town import Device, Town
from simulation.world import OPERATION

NEVER: Final = frozenset(("internal", "client_id_conflict", "frame_broken", "unknown_type", "not_now"))
"""Refusals that would be a bug, whatever happens."""

OPERATION_TIME: Final = 400.0
"""Virtual seconds after which somebody gives up; the client library retries until then."""

SESSION: Final = (10, 60)
"""How many things somebody does before the device goes away for a while."""


@attrs.define(slots=False)
class Person(Device):
    """A device that lives by itself."""

    stay: bool = False
    heard: dict[int, list[tuple[int, int]]] = attrs.field(factory=dict)
    jumps: list[tuple[int, int, int]] = attrs.field(factory=list)

    def last(self, group_id: int) -> int:
        """The last sequence number heard in a group; 0 for nothing."""
        heard = self.heard.get(group_id)
        return heard[-1][0] if heard else 0

    def follows(self) -> list[int]:
        """The groups it hears of."""
        return list(self.heard)

    async def run(self) -> None:
        """Live: come, talk, go, until told to stay and listen."""
        while True:
            if self.flip(0.3):
                self.heard = {}
            after = {group_id: heard[-1][0] for group_id, heard in self.heard.items() if heard}
            try:
                async with self.open(after) as client, trio.open_nursery() as nursery:
                    mine = {group.group_id for group in await client.groups.list()}
                    self.heard = {group_id: heard for group_id, heard in self.heard.items() if group_id in mine}
                    nursery.start_soon(self._listen, client)
                    self.client = client
                    await self._talk(client)
                    nursery.cancel_scope.cancel()
                    assert client.token == self.token, f"{self.name}: the session ended, and nobody ended it"
            except* ClientError as group:
                self.town.world.note(f"{self.name}: {group.exceptions[0]!r:.80}")
            self.client = None
            if not self.stay:
                await trio.sleep(self.chance.expovariate(1 / 30))

    @asynccontextmanager
    async def open(self, after: Mapping[int, int]) -> AsyncGenerator[Client]:
        """The client of this device, which goes on where it stopped, or begins at the start."""
        async with open_client(
            self.town.world.network.dial,
            token=self.token,
            after=after,
            from_start=True,
            buffer=400,
            random_bytes=self.chance.randbytes,
            fraction=self.chance.random,
        ) as client:
            yield client

    async def _listen(self, client: Client) -> None:
        async for event in client.events():
            if isinstance(event, Removed):
                self.heard.pop(event.group_id, None)
            elif isinstance(event, SequenceEvent):
                heard = self.heard.setdefault(event.group_id, [])
                if heard and event.seq != heard[-1][0] + 1:
                    # Right only for one who was removed and let in again meanwhile, which the oracle looks up.
                    self.jumps.append((event.group_id, heard[-1][0], event.seq))
                    heard.clear()
                heard.append((event.seq, getattr(event, "id", 0)))

    async def _talk(self, client: Client) -> None:
        names, weights = list(OPERATIONS), [operation.weight for operation in OPERATIONS.values()]
        for _ in range(self.chance.randint(*SESSION)):
            if self.stay:
                break
            await trio.sleep(self.chance.expovariate(2.0))
            (name,) = self.chance.choices(names, weights)
            await self.attempt(client, name)
        if self.stay:
            await trio.sleep_forever()

    async def attempt(self, client: Client, name: str) -> None:
        """One operation: done, refused for a reason, or given up with its outcome unknown."""
        town = self.town
        within = OPERATION.set(name)
        town.running += 1
        try:
            outcome = await self._attempt(client, name)
        finally:
            town.running -= 1
            OPERATION.reset(within)
        town.world.note(f"{self.name} {name}: {outcome}")

    async def _attempt(self, client: Client, name: str) -> str:
        town = self.town
        outcome = "given up"
        with trio.move_on_after(OPERATION_TIME):
            try:
                said = await OPERATIONS[name].act(self, client)
                outcome = f"{said} done" if isinstance(said, str) else "done"
                town.done[name] += 1
            except RequestRefused as refused:
                if refused.code in NEVER:
                    raise AssertionError(f"{self.name} {name}: {refused}") from refused
                outcome = refused.code
                town.refused[name, refused.code] += 1
            except ClientError as error:
                # Its own session is over, a guest's is, or HTTP did not answer for too long.
                outcome = type(error).__name__
                town.unknown[name] += 1
        if outcome == "given up":
            town.unknown[name] += 1
        return outcome


def operations(town: Town) -> Counter[str]:
    """How often each thing was done, refused or given up."""
    total = Counter(town.done + town.unknown)
    for (name, _), count in town.refused.items():
        total[name] += count
    return total
