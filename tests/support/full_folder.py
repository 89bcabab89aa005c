"""A stopped server's data folder in which most tables have a row."""

from pathlib import Path

import attrs

from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol import conversation as talk
from chatsrv_protocol import governing, groups, messages, operator, presence, redpack
from chatsrv_storage.accounts import accounts
from support.server_kit import client_id, enter


async def fill_folder(data: Path) -> None:
    """Run a server on the folder, and have three people do a bit of everything."""
    async with open_test_server(attrs.evolve(QUICK, data=data)) as server:
        ann, bob, dora = await enter(server, "ann", "bob", "dora")
        now, storage = server.clock.now_ms(), server.server.services.storage
        for name in ("ann", "dora"):
            await storage.write(lambda conn, name=name: accounts.set_operator(conn, "root", name, True, now))
        group_id = await ann.make_group("home", bob, dora)
        sent = await ann.say(group_id, "helo")
        await ann.ask(talk.Edit(client_id(), group_id, sent.seq, "hello"))
        await bob.ask(talk.React(client_id(), group_id, sent.seq, "👍"))
        await ann.ask(governing.SetRole(client_id(), group_id, bob.user_id, groups.ROLE_ADMIN))
        await ann.ask(governing.MuteMember(client_id(), group_id, dora.user_id, now + 3_600_000))
        await ann.ask(governing.MakeInvite(client_id(), group_id, now + 3_600_000))
        await ann.ask(redpack.GrantMoney(client_id(), "ann", 1_000))
        prepared = await ann.ask(redpack.PreparePacket(client_id(), group_id, 100, 2))
        await ann.ask(redpack.SendPacket(client_id(), group_id, prepared.packet_id, bytes(32), "luck"))
        await bob.ask(redpack.OpenPacket(client_id(), group_id, prepared.packet_id))
        await ann.ask(redpack.Withdraw(client_id(), 10))
        await ann.ask(operator.EnableUser("dora", False))
        await ann.ask(messages.Send(client_id(), group_id, "bye"))
        await ann.ask(presence.Block(dora.user_id, True))
