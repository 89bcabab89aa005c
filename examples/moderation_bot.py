"""A moderation bot in the server's process: it speaks without a socket, recalls spam, and mutes who repeats it."""

from collections import Counter

import trio

import chatsrv
from chatsrv_protocol.governing import ROLE_ADMIN
from chatsrv_protocol.messages import Message

MAX_WARNINGS = 1
MUTE_MINUTES = 10


async def moderate(bot: chatsrv.Client) -> None:
    """Watch all groups of the bot, in which it has to be an admin. Runs until cancelled."""
    warnings: Counter[int] = Counter()
    async for event in bot.events():
        if not isinstance(event, Message) or "buy now" not in event.text.lower():
            continue
        group = bot.group(event.group_id)
        await group.recall(event.seq)
        warnings[event.sender_id] += 1
        if warnings[event.sender_id] > MAX_WARNINGS:
            await group.mute(event.sender_id, bot.server_time() + MUTE_MINUTES * 60_000)
            await group.send(f"{event.sender} may write again in {MUTE_MINUTES} minutes")
        else:
            await group.send(f"{event.sender}, no advertising here")


async def main() -> None:
    """A server in memory with the bot, and a member who advertises."""
    async with (
        chatsrv.open_server(chatsrv.Config(tcp="127.0.0.1:0")) as server,
        server.open_bot("moderator") as bot,
        chatsrv.open_client(server.urls[0]) as ann,
        chatsrv.open_client(server.urls[0]) as bob,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(moderate, bot)
        await ann.register("ann", "correct horse")
        spammer = await bob.register("bob", "battery staple")
        assert bot.me is not None
        made = await ann.groups.create("weekend", [bot.me.user_id, spammer.user_id])
        await ann.group(made.group_id).set_role(bot.me.user_id, ROLE_ADMIN)
        said = 0
        async for event in ann.events():
            match event:
                case Message(sender="moderator"):
                    print(event.text)
                    if "may write again" in event.text:
                        break
                case _:
                    pass
            if said < MAX_WARNINGS + 1:
                said += 1
                await bob.group(made.group_id).send("Buy now!")
        try:
            await bob.group(made.group_id).send("Buy now!")
        except chatsrv.RequestRefused as refusal:
            print(f"refused: {refusal.code}")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
