"""Red packets and one's own wallet. Amounts are integer cents."""

import os

import attrs

from chatsrv.client.commands.base import Commands
from chatsrv_protocol.redpack import (
    LUCKY,
    Balance,
    Grabbed,
    GrabPacket,
    GrantMoney,
    OpenPacket,
    PacketPrepared,
    PacketSent,
    PacketShare,
    PacketShown,
    PreparePacket,
    SendPacket,
    ShowBalance,
    ShowPacket,
    ShowStatement,
    Statement,
    Withdraw,
    Withdrawn,
)


class RedpackCommands(Commands):
    """Methods of a client about red packets and money."""

    async def prepare_packet(
        self, group_id: int, total: int, count: int, *, mode: int = LUCKY, receiver_id: int = 0
    ) -> PacketPrepared:
        """Have the server fix its seed for a packet: keep the commitment, to verify later. No money moves."""
        return await self.request(self.change(PreparePacket, group_id, total, count, mode, receiver_id), PacketPrepared)

    async def send_packet(
        self, group_id: int, packet_id: int, *, greeting: str = "", client_seed: bytes | None = None
    ) -> PacketSent:
        """Pay for a prepared packet and publish it; `client_seed` is 32 bytes, random ones unless given."""
        seed = os.urandom(32) if client_seed is None else client_seed
        return await self.request(self.change(SendPacket, group_id, packet_id, seed, greeting), PacketSent)

    async def grab_packet(self, group_id: int, packet_id: int) -> Grabbed:
        """Is there something for me? Changes nothing."""
        return await self.request(self.build(GrabPacket, group_id, packet_id), Grabbed)

    async def open_packet(self, group_id: int, packet_id: int) -> PacketShare:
        """Open a packet: the answer says what is in my wallet by then, once, over any number of connections."""
        return await self.request(self.change(OpenPacket, group_id, packet_id), PacketShare)

    async def show_packet(self, packet_id: int) -> PacketShown:
        """Who took what, and (when it is over) the seed that proves it: all pages in one."""
        shown: PacketShown = await self.request(self.build(ShowPacket, packet_id), PacketShown)
        while shown.more:
            page: PacketShown = await self.request(self.build(ShowPacket, packet_id, len(shown.openings)), PacketShown)
            if page.state != shown.state:  # over since: now it shows amounts that it hid before
                return await self.show_packet(packet_id)
            shown = attrs.evolve(page, openings=shown.openings + page.openings)
        return shown

    async def balance(self) -> int:
        """Cents in my wallet."""
        found: Balance = await self.request(self.build(ShowBalance), Balance)
        return found.cents

    async def statement(self, *, before: int = 0, limit: int = 50) -> Statement:
        """A page of my transfers, the latest first; `before` is the last transfer id of the page before."""
        return await self.request(self.build(ShowStatement, before, limit), Statement)

    async def grant_money(self, name: str, cents: int) -> int:
        """Top somebody's wallet up (an operator's right); answers their new balance."""
        granted: Balance = await self.request(self.change(GrantMoney, name, cents), Balance)
        return granted.cents

    async def withdraw(self, cents: int) -> Withdrawn:
        """Pay money out through the server's payment provider."""
        return await self.request(self.change(Withdraw, cents), Withdrawn)
