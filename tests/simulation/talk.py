"""What devices say to each other and send each other: messages and red packets."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio

from chatsrv.client import Client
from chatsrv_protocol import redpack
from chatsrv_protocol.common import Ping
from simulation.town import Device, Operation


async def _make_group(device: Device, client: Client) -> str:
    town = device.town
    others = [user_id for user_id, _ in town.users if device.flip(0.6)]
    made = await client.groups.create(f"g{len(town.groups)}", others, history=device.flip(0.6))
    town.groups.append(made.group_id)
    return town.world.name("g", made.group_id)


async def _send(device: Device, client: Client) -> str:
    group_id = device.group()
    text = f"{device.name}-{device.chance.getrandbits(40):x}" + "x" * device.chance.choice([0, 0, 0, 300, 9000])
    sent = await client.group(group_id).send(text)
    return device.heard_stored(group_id, sent.seq, sent.id)


async def _send_many(device: Device, client: Client) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(device.chance.randint(4, 16)):
            nursery.start_soon(device.attempt, client, "send")


async def _reply(device: Device, client: Client) -> str:
    group_id = device.group()
    text = f"{device.name}-{device.chance.getrandbits(40):x}"
    called = [device.somebody()] if device.flip(0.3) else []
    sent = await client.group(group_id).reply(device.seq(group_id), text, mentions=called, mention_all=device.flip(0.1))
    return device.heard_stored(group_id, sent.seq, sent.id)


async def _forward(device: Device, client: Client) -> str:
    group_id, to = device.group(), device.group()
    sent = await client.group(to).forward(group_id, device.seq(group_id))
    return device.heard_stored(to, sent.seq, sent.id)


async def _edit(device: Device, client: Client) -> None:
    group_id = device.group()
    mine = [seq for group, seq, _ in device.town.sent[-30:] if group == group_id]
    of = device.chance.choice(mine) if mine else device.seq(group_id)
    await client.group(group_id).edit(of, f"edited {device.chance.getrandbits(30):x}")


async def _recall(device: Device, client: Client) -> None:
    group_id = device.group()
    pictures = [(group, seq) for group, seq, _ in device.town.shown[-10:]]
    group, seq = device.chance.choice(pictures) if pictures and device.flip(0.5) else (group_id, device.seq(group_id))
    await client.group(group).recall(seq)


async def _react(device: Device, client: Client) -> None:
    group_id = device.group()
    await client.group(group_id).react(device.seq(group_id), device.chance.choice("👍❤😂"), present=device.flip(0.8))


async def _pin(device: Device, client: Client) -> None:
    group_id = device.group()
    await client.group(group_id).pin(device.seq(group_id), pinned=device.flip(0.7))


async def _read(device: Device, client: Client) -> None:
    group_id = device.group()
    await client.group(group_id).mark_read(device.seq(group_id))


async def _delivered(device: Device, client: Client) -> None:
    group_id = device.group()
    await client.messages.mark_delivered({group_id: max(1, device.last(group_id))})


async def _history(device: Device, client: Client) -> None:
    group_id = device.group()
    events, page = await client.group(group_id).history(limit=device.chance.randint(1, 30), newest=device.flip(0.5))
    assert [event.seq for event in events] == list(range(page.first, page.last + 1)) or not events


async def _search(device: Device, client: Client) -> None:
    found, _ = await client.messages.search(device.name, device.group() if device.flip(0.5) else 0)
    assert all(device.name in message.text for message in found)


def _of_a_message(ask: Callable[[Client, int, int], Awaitable[Any]]) -> Callable[[Device, Client], Awaitable[None]]:
    async def act(device: Device, client: Client) -> None:
        group_id = device.group()
        await ask(client, group_id, device.seq(group_id))

    return act


async def _prepare(device: Device, client: Client) -> tuple[int, int]:
    group_id, count = device.group(), device.chance.randint(1, 5)
    mode = device.chance.choice([redpack.LUCKY, redpack.SHUFFLED, redpack.EQUAL, redpack.NAMED])
    to = device.somebody() if mode == redpack.NAMED else 0
    count = 1 if mode == redpack.NAMED else count
    prepared = await client.redpack.prepare(
        group_id, count * device.chance.randint(1, 90), count, mode=mode, receiver_id=to
    )
    return group_id, prepared.packet_id


async def _packet(device: Device, client: Client) -> str:
    group_id, packet_id = await _prepare(device, client)
    await client.redpack.send(group_id, packet_id, client_seed=device.chance.randbytes(32))
    device.town.packets.append((group_id, packet_id))
    return device.town.world.name("packet", packet_id)


async def _open(device: Device, client: Client) -> str:
    group_id, packet_id = device.one_of(device.town.packets[-5:])
    share = await client.redpack.open(group_id, packet_id)
    known = device.town.shares.setdefault((packet_id, device.user_id), share.cents)
    name = device.town.world.name("packet", packet_id)
    assert known == share.cents, f"{device.name}: {name} was answered as {known} and as {share.cents}"
    assert await client.wallet.balance() >= 0
    return name


async def _grab(device: Device, client: Client) -> None:
    await client.redpack.grab(*device.one_of(device.town.packets[-5:]))


async def _show_packet(device: Device, client: Client) -> None:
    await client.redpack.show(device.one_of(device.town.packets[-5:])[1])


async def _grant(device: Device, client: Client) -> None:
    _, name = device.chance.choice(device.town.users)
    await client.wallet.grant(name, device.chance.randint(1, 100))


OPERATIONS: Final[dict[str, Operation]] = {
    "make_group": Operation(1, _make_group),
    "send": Operation(14, _send),
    "send_many": Operation(10, _send_many),
    "reply": Operation(3, _reply),
    "forward": Operation(2, _forward),
    "edit": Operation(3, _edit),
    "recall": Operation(2, _recall),
    "react": Operation(3, _react),
    "pin": Operation(1, _pin),
    "read": Operation(3, _read),
    "delivered": Operation(2, _delivered),
    "history": Operation(2, _history),
    "search": Operation(1, _search),
    "reactions": Operation(0.5, _of_a_message(lambda client, group_id, of: client.group(group_id).reactions(of))),
    "receipts": Operation(0.5, _of_a_message(lambda client, group_id, of: client.group(group_id).receipts(of))),
    "versions": Operation(0.5, _of_a_message(lambda client, group_id, of: client.group(group_id).versions(of))),
    "report": Operation(0.5, _of_a_message(lambda client, group_id, of: client.group(group_id).report(of, "rude"))),
    "pins": Operation(0.5, lambda device, client: client.group(device.group()).pins()),
    "quiet": Operation(0.5, lambda device, client: client.group(device.group()).set_quiet(quiet=device.flip(0.5))),
    "typing": Operation(0.5, lambda device, client: client.group(device.group()).typing()),
    "ping": Operation(0.5, lambda _, client: client.request(Ping())),
    "prepare": Operation(0.5, _prepare),
    "packet": Operation(3, _packet),
    "grab": Operation(2, _grab),
    "open": Operation(8, _open),
    "show_packet": Operation(1, _show_packet),
    "balance": Operation(1, lambda _, client: client.wallet.balance()),
    "statement": Operation(1, lambda _, client: client.wallet.statement()),
    "withdraw": Operation(0.5, lambda device, client: client.wallet.withdraw(device.chance.randint(1, 50))),
    "grant": Operation(0.5, _grant),
}
