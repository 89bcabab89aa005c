"""A bot that answers each message with the same words: python examples/echo_bot.py URL NAME, password in ECHO_PASSWORD.

It makes its account on the first run where the server lets it. Add it to a group, and write something.
"""

import os
import sys

import trio

import chatsrv
from chatsrv_protocol.messages import TEXT_KIND, Message


async def run(url: str, name: str, password: str) -> None:
    """Answer until cancelled. Lost connections come back by themselves, and no message is answered twice."""
    async with chatsrv.open_client(url) as client:
        try:
            me = await client.login(name, password)
        except chatsrv.RequestRefused:
            me = await client.register(name, password)
        print(f"{name} listens on {url}", flush=True)
        async for event in client.events():
            match event:
                case Message(kind=kind) if kind == TEXT_KIND and event.sender_id != me.user_id:
                    await client.group(event.group_id).reply(event.seq, event.text)
                case _:
                    pass


if __name__ == "__main__":
    trio.run(run, sys.argv[1], sys.argv[2], os.environ["ECHO_PASSWORD"])
