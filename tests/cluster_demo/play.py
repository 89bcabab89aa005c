"""The demo from beginning to end: people on three nodes who talk, open a red packet, meet, and lose a node."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio
from support.real_cluster_kit import Cluster, ClusterPerson, make_person, open_cluster

from chatsrv.cli.commands.redpack import money
from chatsrv.cli.demo.people import DemoPerson
from chatsrv.cli.demo.verification import verify_heard
from chatsrv.cli.errors import Failure
from chatsrv.cli.events import clock, sentence_of
from chatsrv.cli.output import Output
from chatsrv_protocol import UnknownEvent

if TYPE_CHECKING:
    from chatsrv.client.events import SequenceEvent

DEADLINE: Final = 120.0
"""Seconds for everything; it takes some twenty on a quiet machine."""

HOMES: Final = {"ann": 0, "bob": 1, "chen": 2, "dora": 0, "emil": 1, "fay": 2}
"""The node on which each begins."""

TALK: Final = (
    ("ann", "Who comes to the mountains on Saturday?"),
    ("bob", "I do, and I bring the stove."),
    ("chen", "我也去！"),
)
GRANT: Final = 20_00
PACKET: Final = 8_88
CODE: Final = "4711"
STORM: Final = 20
"""Messages of each person while a node dies."""

KILLED: Final = 1
"""The node that dies: bob's and emil's."""


class Show:
    """What the audience sees."""

    def __init__(self) -> None:
        self.out = Output(json=False)
        self.quiet = False
        self._shown: dict[int, int] = {}
        self._number = 0

    def title(self, text: str) -> None:
        """A scene begins."""
        self._number += 1
        self.out.line("")
        self.out.line(f"{self._number}. {text}")

    def say(self, text: str) -> None:
        """Tell what happens."""
        self.out.line(f"   {text}")

    def on_event(self, person: DemoPerson, event: "SequenceEvent") -> None:
        """Show each event once: when the first person hears it."""
        if event.seq <= self._shown.get(event.group_id, 0):
            return
        self._shown[event.group_id] = event.seq
        if not self.quiet:
            assert not isinstance(event, UnknownEvent), "the demo's servers are of this version"
            who, what, notice = sentence_of(event)
            self.out.spoken(f"   {clock(event.sent_at)} #{event.seq:<3}", who, what, notice=notice)


class Scene:
    """The cluster, the people by name, and the groups by name."""

    def __init__(self, cluster: Cluster, folder: Path, show: Show, nursery: trio.Nursery) -> None:
        self.cluster = cluster
        self.folder = folder
        self.show = show
        self.people: dict[str, ClusterPerson] = {}
        self.groups: dict[str, int] = {}
        self._nursery = nursery

    async def enter(self, name: str, home: int) -> None:
        """Somebody new, on this node."""
        person = make_person(name, self.cluster, home, self.show.on_event)
        await self._nursery.start(person.live, True)
        self.people[name] = person

    async def everybody_heard(self, group_id: int, seq: int) -> None:
        """Wait until all who are in the group were told of this event."""
        for person in self.people.values():
            if group_id in person.begins_at:
                await person.until_heard(group_id, seq)

    async def who(self, name: str) -> int:
        """Somebody's user id."""
        (found,) = await self.people["ann"].client.people.find([name])
        return found.user_id


async def play(folder: Path) -> None:
    """Play all scenes, and verify. Raises Failure where something is not as it should be."""
    began = trio.current_time()
    show = Show()
    try:
        with trio.fail_after(DEADLINE):
            show.title("PostgreSQL, Redis and three nodes, each a process")
            async with open_cluster(folder) as cluster, trio.open_nursery() as nursery:
                show.say(f"PostgreSQL on a socket in {cluster.postgres.folder}, Redis at {cluster.redis.url}")
                for node in cluster.nodes:
                    show.say(f"{node.name} listens at {node.process.url}, process {node.process.pid}")
                scene = Scene(cluster, folder, show, nursery)
                for act in (_talk, _red_packet, _face_to_face, _lose_a_node, _verify):
                    await act(scene)
                nursery.cancel_scope.cancel()
    except trio.TooSlowError:
        raise Failure(f"the demo was not through after {DEADLINE:g} seconds") from None
    show.out.line("")
    show.out.line(f"✔ all of it took {trio.current_time() - began:.0f} s; nothing is left behind")


async def _talk(scene: Scene) -> None:
    scene.show.title("People on different nodes talk in one group")
    for name, home in HOMES.items():
        await scene.enter(name, home)
    places = ", ".join(f"{person.name} on {person.at}" for person in scene.people.values())
    scene.show.say(places)
    ann = scene.people["ann"].client
    found = await ann.people.find([name for name in HOMES if name != "ann"])
    made = await ann.groups.create("weekend", [each.user_id for each in found])
    group = scene.groups["weekend"] = made.group_id
    for person in scene.people.values():
        await person.until(lambda person=person: group in person.begins_at, "the group that ann made")
    slowest = 0.0
    for name, text in TALK:
        began = trio.current_time()
        sent = await scene.people[name].client.group(group).send(text)
        await scene.everybody_heard(group, sent.seq)
        slowest = max(slowest, trio.current_time() - began)
    scene.show.say(f"each was heard on all nodes within {slowest * 1000:.0f} ms of being sent")


async def _red_packet(scene: Scene) -> None:
    scene.show.title("They open one red packet, all at once, on three nodes")
    group, bob = scene.groups["weekend"], scene.people["bob"].client
    await trio.to_thread.run_sync(scene.cluster.make_operator, scene.folder, "ann")
    await scene.people["ann"].client.wallet.grant("bob", GRANT)
    prepared = await bob.redpack.prepare(group, PACKET, len(HOMES))
    sent = await bob.redpack.send(group, prepared.packet_id, greeting="周末愉快!")
    await scene.everybody_heard(group, sent.seq)
    async with trio.open_nursery() as nursery:
        for person in scene.people.values():
            nursery.start_soon(person.client.redpack.open, group, prepared.packet_id)
    await scene.everybody_heard(group, sent.seq + len(HOMES) + 1)  # that it is empty is an event too
    wallets = {person.name: await person.client.wallet.balance() for person in scene.people.values()}
    scene.show.say(f"balances: {', '.join(f'{name} {money(cents)}' for name, cents in wallets.items())}")
    if sum(wallets.values()) != GRANT:
        raise Failure(f"{money(sum(wallets.values()))} is there, and {money(GRANT)} was granted")


async def _face_to_face(scene: Scene) -> None:
    chen, dora = scene.people["chen"], scene.people["dora"]
    scene.show.title(f"chen on {chen.at} and dora on {dora.at} type the same four digits")
    await chen.client.face_to_face.enter_code(CODE)
    page = await dora.client.face_to_face.enter_code(CODE)
    scene.show.say(f"{' and '.join(sorted(one.name for one in page.people))} wait under {CODE}")
    group = (await chen.client.face_to_face.enter_group()).group_id
    if (await dora.client.face_to_face.enter_group()).group_id != group:
        raise Failure("the same code led to two groups")
    scene.groups["face to face"] = group
    for person in (chen, dora):
        await person.until(lambda person=person: group in person.begins_at, "the group of the code")
    sent = await dora.client.group(group).send("你好！")
    await scene.everybody_heard(group, sent.seq)


async def _lose_a_node(scene: Scene) -> None:
    victim = scene.cluster.nodes[KILLED]
    scene.show.title(f"Everybody talks, and {victim.name} dies of kill -9 in the middle")
    scene.show.quiet = True
    group = scene.groups["weekend"]
    acked: list[int] = []
    under_way = trio.Event()
    moved = [person for person in scene.people.values() if person.at == victim.name]

    async def storm(person: ClusterPerson) -> None:
        for number in range(STORM):
            sent = await person.client.group(group).send(f"{person.name} says {number}")
            acked.append(sent.seq)
            if len(acked) >= STORM:
                under_way.set()

    began = 0.0
    async with trio.open_nursery() as nursery:
        for person in scene.people.values():
            nursery.start_soon(storm, person)
        await under_way.wait()
        before = len(acked)
        began = trio.current_time()
        await victim.kill()
        scene.show.say(f"{before} of {STORM * len(HOMES)} messages were acked; {victim.name} is gone")
        for person in moved:
            await person.until(lambda person=person: person.at != victim.name, "another node")
    await scene.everybody_heard(group, max(acked))
    scene.show.quiet = False
    now = " and ".join(f"{person.name} on {person.at}" for person in moved)
    scene.show.say(
        f"{now} now; after {trio.current_time() - began:.1f} s all {len(acked)} were acked and heard by everybody"
    )
    if len(set(acked)) != STORM * len(HOMES):
        raise Failure("two messages were given the same place")


async def _verify(scene: Scene) -> None:
    scene.show.title("The proof")
    events = await verify_heard(scene.groups, list(scene.people.values()))
    scene.show.say(
        f"{len(scene.people)} people saw the same {events} events in the same order, none missing, none twice"
    )
    storms = STORM * len(HOMES)
    stored = [text async for text in _texts(scene) if " says " in text]
    if len(stored) != storms or len(set(stored)) != storms:
        raise Failure(f"{len(stored)} of {storms} messages of the storm are stored")
    async with trio.open_nursery() as nursery:
        for command in ("audit", "check"):
            nursery.start_soon(_check, scene, command)


async def _check(scene: Scene, command: str) -> None:
    try:
        said = await trio.to_thread.run_sync(scene.cluster.check, scene.folder, command)
    except AssertionError as error:
        raise Failure(f"`chatsrv {command}` found something: {error}") from None
    for line in said.splitlines():
        scene.show.say(f"chatsrv {command}: {line}")


async def _texts(scene: Scene) -> AsyncIterator[str]:
    async for event in scene.people["ann"].client.group(scene.groups["weekend"]).iterate_history():
        if text := getattr(event, "text", ""):
            yield text
