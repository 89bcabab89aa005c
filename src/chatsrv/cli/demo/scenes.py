"""The scenes of the conversation, in their order; features.py has those that show one feature each."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import trio

from chatsrv.cli.demo.features import face_to_face, find_again, govern, picture, point_at, red_packet
from chatsrv.cli.demo.stage import Stage
from chatsrv.cli.errors import Failure
from chatsrv_protocol.messages import Send, Sent

BURST: Final = 25


class Scene(NamedTuple):
    """A title, and what happens."""

    title: str
    play: Callable[[Stage], Awaitable[None]]


async def arrive(stage: Stage) -> None:
    """Four people register, two over TCP and two over WebSocket."""
    for name, over in (("ann", "tcp"), ("bob", "tcp"), ("chen", "ws"), ("dora", "ws")):
        person = await stage.enter(name, over)
        stage.say(f"{name} registers over {'TCP' if person.over == 'tcp' else 'WebSocket'}")


async def talk(stage: Stage) -> None:
    """A group is made, and people talk in it."""
    ann, bob, chen = (stage.people[name] for name in ("ann", "bob", "chen"))
    found = await ann.client.people.find(["bob", "chen"])
    made = await ann.client.groups.create("weekend", [person.user_id for person in found])
    group = stage.groups["weekend"] = made.group_id
    for person, text in (
        (ann, "Shall we go to the mountains on Saturday?"),
        (chen, "好啊！我带茶和点心。"),
        (bob, "I'm in. Which train?"),
        (ann, "08:12 from the main station 🚆"),
        (chen, "周六见 👋"),
    ):
        sent = await person.client.group(group).send(text)
        await stage.everybody_heard(group, sent.seq)


async def join_later(stage: Stage) -> None:
    """Somebody comes later and reads what was said before."""
    group = stage.groups["weekend"]
    ann, dora = stage.people["ann"], stage.people["dora"]
    (found,) = await ann.client.people.find(["dora"])
    added = await ann.client.group(group).add_members([found.user_id])
    await dora.until_heard(group, added.seq)
    events, _ = await dora.client.group(group).history()
    stage.say(f"dora reads the {len(events) - 1} events from before she came")
    sent = await dora.client.group(group).send("Hi all! I read it all: Saturday, 08:12, tea and snacks.")
    await stage.everybody_heard(group, sent.seq)


async def catch_up(stage: Stage) -> None:
    """Somebody loses the connection; what is said meanwhile reaches them once, and in order."""
    group = stage.groups["weekend"]
    bob = stage.people["bob"]
    await bob.lose_connection()
    stage.say("bob's train enters a tunnel: his connection is gone")
    before = bob.last(group)
    last = 0
    for name, text in (
        ("ann", "Bob, do you have the tickets?"),
        ("chen", "他在隧道里吧。"),
        ("dora", "He'll read it when he is out."),
    ):
        sent = await stage.people[name].client.group(group).send(text)
        await stage.everybody_heard(group, sent.seq)
        last = sent.seq
    bob.away = False
    await bob.until_heard(group, last)
    stage.say(f"bob is back by himself, and was told of the {last - before} messages that he had missed")
    sent = await bob.client.group(group).send("Tunnel. Yes, I have them!")
    await stage.everybody_heard(group, sent.seq)


async def two_devices(stage: Stage) -> None:
    """What one device says, the other shows."""
    group = stage.groups["weekend"]
    phone = await stage.enter_again("ann", "ws")
    stage.say("ann takes her phone along: a second device, over WebSocket")
    sent = await phone.client.group(group).send("I'm on my way, writing from my phone.")
    await stage.everybody_heard(group, sent.seq)
    stage.say("her laptop shows it as well")


async def retry(stage: Stage) -> None:
    """An uncertain client may ask twice; it has one effect."""
    group = stage.groups["weekend"]
    chen = stage.people["chen"].client
    command = chen.change(Send, group, "我到车站了。")
    first = await chen.request(command, Sent)
    again = await chen.request(command, Sent)
    if first != again:
        raise Failure("a retry had a second effect")
    await stage.everybody_heard(group, first.seq)
    stage.say(f"chen's phone was not sure and sent it twice: both times the answer is #{again.seq}, and it stands once")


async def burst(stage: Stage) -> None:
    """Everybody talks at once; there is one order."""
    group = stage.groups["weekend"]
    stage.quiet = True
    seqs: list[int] = []

    async def chatter(name: str) -> None:
        for number in range(BURST):
            sent = await stage.people[name].client.group(group).send(f"{name} says {number}")
            seqs.append(sent.seq)

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for name in stage.people:
            nursery.start_soon(chatter, name)
    await stage.everybody_heard(group, max(seqs))
    milliseconds = (trio.current_time() - began) * 1000
    stage.quiet = False
    stage.say(
        f"{len(stage.people)} people send {len(seqs)} messages at the same time: all are stored on disk and with "
        f"everybody after {milliseconds:.0f} ms, as #{min(seqs)} to #{max(seqs)}"
    )


async def remove(stage: Stage) -> None:
    """Who is removed sees nothing from then on."""
    group = stage.groups["weekend"]
    ann, dora = stage.people["ann"], stage.people["dora"]
    (found,) = await ann.client.people.find(["dora"])
    removed = await ann.client.group(group).remove_member(found.user_id)
    sent = await ann.client.group(group).send("Dora can't come after all; the surprise for her is on.")
    await dora.until(lambda: group in dora.gone_at, "her removal")
    await stage.everybody_heard(group, sent.seq, but=("dora",))
    if dora.last(group) >= removed.seq:
        raise Failure("dora heard what came after her removal")
    stage.say("dora was told that she is out, and nothing else")


async def restart(stage: Stage) -> None:
    """The server restarts; nobody loses anything or has to do anything."""
    group = stage.groups["weekend"]
    await stage.stop_server()
    stage.say("the server stopped: its clients try again by themselves")
    await stage.start_server()
    sent = await stage.people["bob"].client.group(group).send("Did anybody notice the restart?")
    await stage.everybody_heard(group, sent.seq, but=("dora",))
    sent = await stage.people["chen"].client.group(group).send("没有。")
    await stage.everybody_heard(group, sent.seq, but=("dora",))


SCENES: Final = (
    Scene("People arrive", arrive),
    Scene("A group", talk),
    Scene("Somebody joins later", join_later),
    Scene("A lost connection", catch_up),
    Scene("Two devices", two_devices),
    Scene("Asking twice", retry),
    Scene("All at once", burst),
    Scene("What was said", point_at),
    Scene("A red packet", red_packet),
    Scene("Governing", govern),
    Scene("Face to face", face_to_face),
    Scene("Found again, and who is there", find_again),
    Scene("A picture", picture),
    Scene("Out of the group", remove),
    Scene("A restart", restart),
)
