"""Red packets. Amounts are integer cents."""

import os

import attrs

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.redpack import (
    LUCKY,
    Grabbed,
    GrabPacket,
    OpenPacket,
    PacketPrepared,
    PacketSent,
    PacketShare,
    PacketShown,
    PreparePacket,
    SendPacket,
    ShowPacket,
)


class RedpackCommands(Subject):
    """Red packets."""

    async def prepare(
        self, group_id: int, total: int, count: int, *, mode: int = LUCKY, receiver_id: int = 0
    ) -> PacketPrepared:
        """Have the server fix its seed for a packet: keep the commitment, to verify later. No money moves."""
        command = self._client.change(PreparePacket, group_id, total, count, mode, receiver_id)
        return await self._client.request(command, PacketPrepared)

    async def send(
        self, group_id: int, packet_id: int, *, greeting: str = "", client_seed: bytes | None = None
    ) -> PacketSent:
        """Pay for a prepared packet and publish it; `client_seed` is 32 bytes, random ones unless given."""
        seed = os.urandom(32) if client_seed is None else client_seed
        return await self._client.request(
            self._client.change(SendPacket, group_id, packet_id, seed, greeting), PacketSent
        )

    async def grab(self, group_id: int, packet_id: int) -> Grabbed:
        """Is there something for me? Changes nothing."""
        return await self._client.request(self._client.build(GrabPacket, group_id, packet_id), Grabbed)

    async def open(self, group_id: int, packet_id: int) -> PacketShare:
        """Open a packet: the answer says what is in my wallet by then, once, over any number of connections."""
        return await self._client.request(self._client.change(OpenPacket, group_id, packet_id), PacketShare)

    async def show(self, packet_id: int) -> PacketShown:
        """Who took what, and (when it is over) the seed that proves it: all pages in one."""
        shown: PacketShown = await self._client.request(self._client.build(ShowPacket, packet_id), PacketShown)
        while shown.more:
            command = self._client.build(ShowPacket, packet_id, len(shown.openings))
            page: PacketShown = await self._client.request(command, PacketShown)
            if page.state != shown.state:  # over since: now it shows amounts that it hid before
                return await self.show(packet_id)
            shown = attrs.evolve(page, openings=shown.openings + page.openings)
        return shown
