"""Scenes that show a feature each: what happens to messages, red packets, governing, face to face, pictures."""

import io
from typing import Final

import trio

from chatsrv.cli.commands.redpack import money, reveal_of
from chatsrv.cli.demo.people import DemoPerson
from chatsrv.cli.demo.stage import PATIENCE, Stage
from chatsrv.cli.errors import Failure
from chatsrv.cli.events import size_of
from chatsrv.client import RequestRefused

GRANT: Final = 20_00
PACKET: Final = 8_88
FOUR: Final = ("ann", "bob", "chen", "dora")


async def point_at(stage: Stage) -> None:
    """A mention, a reply, a reaction, a pin, a correction, a recall, and who has read."""
    group = stage.groups["weekend"]
    ann, bob, chen, dora = (stage.people[name].client for name in FOUR)
    (called,) = await ann.people.find(["bob"])
    asked = await ann.group(group).send("Who brings the stove? @bob", mentions=[called.user_id])
    if await _called(stage.people["bob"], group) != 1 or await _called(stage.people["chen"], group):
        raise Failure("ann called bob and nobody else, and that is not what they are told")
    stage.say("ann calls @bob: he alone is told")
    await bob.group(group).reply(asked.seq, "I do.")
    await chen.group(group).react(asked.seq, "👍")
    await ann.group(group).pin(asked.seq)
    wrong = await dora.group(group).send("I bring gass")
    await dora.group(group).edit(wrong.seq, "I bring gas")
    hasty = await dora.group(group).send("Does anybody still like Bob's jokes?")
    recalled = await dora.group(group).recall(hasty.seq)
    await stage.everybody_heard(group, recalled.seq)
    for reader in (bob, chen, dora):
        await reader.group(group).mark_read(recalled.seq)
    receipts, counts = await ann.group(group).receipts(asked.seq)
    readers = [receipt.name for receipt in receipts if receipt.read]
    if counts.read != len(FOUR) - 1:
        raise Failure(f"{readers} have read ann's question, and so did everybody")
    unread = await _unread(stage.people["ann"], group)
    stage.say(f"{', '.join(readers)} have read ann's question; she has {unread} unread herself")
    await ann.group(group).mark_read(recalled.seq)
    if not unread or await _unread(stage.devices[-1], group):
        raise Failure("what was read on one device is unread on the other")
    stage.say("she reads them on her laptop: her phone counts none either")


async def _called(person: DemoPerson, group_id: int) -> int:
    return (await person.client.group(group_id).show()).mentions


async def _unread(person: DemoPerson, group_id: int) -> int:
    (group,) = [one for one in await person.client.groups.list() if one.group_id == group_id]
    return group.ordinal - group.read_ordinal - group.own_above


async def red_packet(stage: Stage) -> None:
    """Money is granted, put into a packet, and drawn; everybody can prove that the draw was fair."""
    group = stage.groups["weekend"]
    ann, bob = stage.people["ann"].client, stage.people["bob"].client
    await stage.make_operator("ann")
    await ann.wallet.grant("bob", GRANT)
    stage.say(f"ann, an operator here, grants bob {money(GRANT)}")
    prepared = await bob.redpack.prepare(group, PACKET, len(FOUR))
    sent = await bob.redpack.send(group, prepared.packet_id, greeting="周末愉快!")
    await stage.everybody_heard(group, sent.seq)
    for name in FOUR:
        person = stage.people[name].client
        grabbed = await person.redpack.grab(group, prepared.packet_id)
        if grabbed.answer != "open_to_you":
            raise Failure(f"{name} grabbed a fresh packet and was told '{grabbed.answer}'")
        await person.redpack.open(group, prepared.packet_id)
    await stage.everybody_heard(group, sent.seq + len(FOUR) + 1)  # that it is empty is an event too
    again = await stage.people["dora"].client.redpack.grab(group, prepared.packet_id)
    stage.say(f"dora tries again: {again.answer.replace('_', ' ')}")
    shown = await ann.redpack.show(prepared.packet_id)
    best = shown.openings[shown.luckiest or 0]
    stage.say(f"{best.name} was the luckiest with {money(best.cents)} of {money(shown.total)}")
    _prove(stage, reveal_of(shown), prepared.commitment)
    wallets = {name: await stage.people[name].client.wallet.balance() for name in FOUR}
    if sum(wallets.values()) != GRANT:
        raise Failure(f"{money(sum(wallets.values()))} is there, and {money(GRANT)} was granted")
    stage.say(f"balances: {', '.join(f'{name} {money(cents)}' for name, cents in wallets.items())}")


def _prove(stage: Stage, reveal: dict[str, object], commitment: bytes) -> None:
    """Recompute the draw from the revealed seeds, as `chatsrv redpack verify` does."""
    from chatsrv_redpack import parse_reveal, verify

    if reveal["commitment"] != commitment.hex():
        raise Failure("the packet has another commitment than the one that bob was given")
    verdict = verify(parse_reveal(reveal))
    if not verdict.ok:
        raise Failure("; ".join(str(problem) for problem in verdict.problems))
    stage.say(f"the server reveals its seed: all {len(verdict.shares)} shares follow from it, as it had committed to")


async def govern(stage: Stage) -> None:
    """Somebody is muted for a while; somebody else joins by an invite."""
    group = stage.groups["weekend"]
    ann, bob = stage.people["ann"].client, stage.people["bob"]
    (found,) = await ann.people.find(["bob"])
    await ann.group(group).mute(found.user_id, ann.server_time() + 600_000)
    try:
        await bob.client.group(group).send("One more joke?")
    except RequestRefused as refusal:
        stage.say(f"bob wants to tell a joke, and is refused: {refusal.code}")
    else:
        raise Failure("bob was muted and heard all the same")
    await ann.group(group).unmute(found.user_id)
    invite = await ann.group(group).create_invite(max_uses=1)
    emil = await stage.enter("emil", "tcp")
    stage.say(f"emil registers, and joins by the code {invite.code}, which ann gave him and which works once")
    await emil.client.groups.join(invite.code)
    await emil.until(lambda: group in emil.begins_at, "the group that he joined")
    sent = await emil.client.group(group).send("Hello from emil!")
    await stage.everybody_heard(group, sent.seq)


async def face_to_face(stage: Stage) -> None:
    """Two people enter the same four digits beside each other, and have a group."""
    chen, dora = stage.people["chen"], stage.people["dora"]
    await chen.client.face_to_face.enter_code("4711")
    page = await dora.client.face_to_face.enter_code("4711")
    stage.say(f"chen and dora both type 4711: {' and '.join(sorted(one.name for one in page.people))} wait there")
    group = (await chen.client.face_to_face.enter_group()).group_id
    entered = await dora.client.face_to_face.enter_group()
    if entered.group_id != group:
        raise Failure("the same code led to two groups")
    stage.groups["face to face"] = group
    for person in (chen, dora):
        await _is_in(person, group)
    sent = await dora.client.group(group).send("你好！")
    await stage.everybody_heard(group, sent.seq)


async def _is_in(person: DemoPerson, group: int) -> None:
    await person.until(lambda: group in person.begins_at, "the group of the code")


async def find_again(stage: Stage) -> None:
    """Words are found in everything that was said, one message goes on to another group, and who is there is told."""
    group, beside = stage.groups["weekend"], stage.groups["face to face"]
    dora = stage.people["dora"].client
    with trio.fail_after(PATIENCE):  # the index is fed in the background
        while not (found := (await dora.messages.search("茶"))[0]):
            await trio.sleep(0.05)
    stage.say(f"dora searches all her groups for 茶: {found[0].sender} said '{found[0].text}'")
    sent = await dora.group(beside).forward(group, found[0].seq)
    await stage.everybody_heard(beside, sent.seq)
    (person,) = await dora.people.find(["chen"])
    (there,) = await dora.presence.watch([person.user_id])
    if not there.online:
        raise Failure("chen is there, and dora is told that he is not")
    stage.say("she asks who is there, and sees that chen is online")


async def picture(stage: Stage) -> None:
    """A picture goes up over HTTP, is shown small in the message, and comes down as it was."""
    group = stage.groups["weekend"]
    photo = _photo()
    chen, dora = stage.people["chen"].client, stage.people["dora"].client
    media_id = await chen.media.upload(io.BytesIO(photo), name="茶.png")
    sent = await chen.group(group).send_media(media_id, "看！")
    await stage.everybody_heard(group, sent.seq)
    got: list[bytes] = []
    await dora.media.download(media_id, got.append)
    if b"".join(got) != photo:
        raise Failure("the picture that dora got is not the one that chen sent")
    stage.say(f"dora fetched it over HTTP: the same {size_of(len(photo))}")


def _photo() -> bytes:
    """Return a picture of hills at dusk, drawn here."""
    from PIL import Image

    image = Image.linear_gradient("L").crop((0, 0, 256, 160)).convert("RGB")
    image.paste((40, 70, 50), (0, 110, 256, 160))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
