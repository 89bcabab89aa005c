"""People on all nodes of a cluster who talk while something dies, and the proof that nothing was lost."""

import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import attrs
import trio

from chatsrv.cli.demo.verification import verify_heard
from chatsrv.client.errors import RequestRefused, is_code
from chatsrv_protocol import ErrorCode, UnknownEvent
from chatsrv_protocol.messages import Message, Send, Sent
from support.real_cluster_kit import Cluster, ClusterPerson, make_person, open_cluster
from support.real_kit import DEADLINE

R = TypeVar("R")

STEADY = 36
"""Acks that must come after each fault before it counts as overcome."""


@attrs.define(eq=False)
class Crowd:
    """People on all nodes who talk in two groups until told to stop; a retry has the client id of the first try."""

    cluster: Cluster
    people: list[ClusterPerson] = attrs.field(factory=list)
    groups: dict[str, int] = attrs.field(factory=dict)
    acked: dict[str, tuple[int, Sent]] = attrs.field(factory=dict)
    done: bool = False
    pause: float = 0.02
    """Seconds between two messages of somebody."""
    removed: list[ClusterPerson] = attrs.field(factory=list)

    async def gather(self, nursery: trio.Nursery, per_node: int) -> None:
        """Everybody registers, and is in both groups, of which the first person is the owner."""
        for number in range(per_node * len(self.cluster.nodes)):
            person = make_person(f"user{number}", self.cluster, number % len(self.cluster.nodes))
            await nursery.start(person.live, True)
            self.people.append(person)
        owner = self.people[0].client
        ids = [each.user_id for each in await owner.people.find([person.name for person in self.people[1:]])]
        for name in ("lake", "hill"):
            made = await owner.groups.create(name, ids)
            self.groups[name] = made.group_id
            for person in self.people:
                await person.until(lambda person=person, made=made: made.group_id in person.begins_at, name)

    async def talk(self, person: ClusterPerson) -> None:
        """Say one thing after the other; what is acked is kept."""
        for number, group_id in enumerate(itertools.cycle(self.groups.values())):
            if self.done:
                return
            text = f"{person.name}/{number}"
            self.acked[text] = (group_id, await self._send(person, group_id, text))
            await trio.sleep(self.pause)

    async def _send(self, person: ClusterPerson, group_id: int, text: str) -> Sent:
        """Send, under one client id however often it takes: the library gives up where a server stays busy."""
        return await self.until_answered(person, person.client.change(Send, group_id, text), Sent)

    async def until_answered(self, person: ClusterPerson, command: object, reply: type[R]) -> R:
        """Ask under one client id until a server answers that is not busy."""
        while True:
            try:
                return await person.client.request(command, reply)
            except RequestRefused as refusal:
                if not is_code(refusal.code, ErrorCode.SERVER_BUSY):
                    raise
                await trio.sleep(0.2)

    async def steady(self) -> None:
        """Wait until everybody who talks was acked some more."""
        talkers = [person for person in self.people if person not in self.removed]
        before = self._counts()
        with trio.fail_after(DEADLINE):
            while min((self._counts() - before)[person.name] for person in talkers) < STEADY // len(talkers):
                await trio.sleep(0.05)

    def _counts(self) -> Counter[str]:
        return Counter(text.partition("/")[0] for text in self.acked)

    async def remove_last(self) -> None:
        """The owner removes somebody from both groups while everybody talks."""
        talkers = [person for person in self.people if person not in self.removed]
        person = talkers[-1]
        self.removed.append(person)
        assert person.client.me is not None
        for group_id in self.groups.values():
            await self.people[0].client.group(group_id).remove_member(person.client.me.user_id)

    async def prove(self, home: Path) -> None:
        """Everything acked is stored in its place once, everybody heard the same, and the books add up."""
        heads: dict[int, int] = {}
        for group_id in self.groups.values():
            group = await self.people[0].client.group(group_id).show()
            heads[group_id] = group.seq
        for person in self.people:
            for group_id, head in heads.items():
                if person in self.removed:
                    await person.until(lambda person=person, group=group_id: group in person.gone_at, "the removal")
                else:
                    await person.until_heard(group_id, head)
        await verify_heard(self.groups, self.people)
        for group_id in self.groups.values():
            events = self.people[0].heard[group_id]
            messages = {event.text: event for event in events if isinstance(event, Message)}
            texts = Counter(event.text for event in events if isinstance(event, Message))
            for text, (where, sent) in self.acked.items():
                if where == group_id:
                    assert (messages[text].seq, messages[text].id) == (sent.seq, sent.id)
                    assert texts[text] == 1, text
            ids = [event.id for event in events if not isinstance(event, UnknownEvent)]
            assert len(ids) == len(events)
            assert ids == sorted(ids)
        for command in ("audit", "check"):
            await trio.to_thread.run_sync(self.cluster.check, home, command)


@asynccontextmanager
async def talking(folder: Path, per_node: int = 3, pause: float = 0.02) -> AsyncGenerator[Crowd]:
    """People who talk on three nodes while the block runs, and the proof at its end."""
    async with open_cluster(folder) as cluster, talking_at(cluster, folder, per_node, pause) as crowd:
        yield crowd


@asynccontextmanager
async def talking_at(
    cluster: Cluster,
    folder: Path,
    per_node: int,
    pause: float,
    prove: Callable[[Crowd], Awaitable[None]] | None = None,
) -> AsyncGenerator[Crowd]:
    """The same at nodes that run; `prove` looks at more in the end."""
    async with trio.open_nursery() as nursery:
        crowd = Crowd(cluster, pause=pause)
        await crowd.gather(nursery, per_node)
        async with trio.open_nursery() as talkers:
            for person in crowd.people:
                talkers.start_soon(_until_removed, crowd, person)
            await crowd.steady()
            yield crowd
            crowd.done = True
        await crowd.prove(folder)
        if prove is not None:
            await prove(crowd)
        nursery.cancel_scope.cancel()


async def _until_removed(crowd: Crowd, person: ClusterPerson) -> None:
    try:
        await crowd.talk(person)
    except RequestRefused:
        if person not in crowd.removed:
            raise
