"""Commands about red packets. Amounts are integer cents."""

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
    """Commands about red packets."""

    async def prepare(
        self, group_id: int, total: int, count: int, *, mode: int = LUCKY, receiver_id: int = 0
    ) -> PacketPrepared:
        """Have the server commit to its seed for a packet of `total` cents in `count` (1 to 500) shares; no money moves.

        Keep the commitment of the answer to verify the packet later. `mode` is LUCKY, SHUFFLED, EQUAL or NAMED, which needs
        `receiver_id`. Raises RequestRefused: group_unknown, forbidden, bad_amount, bad_count, bad_mode, bad_receiver,
        not_member, muted, blocked, user_disabled, slow_mode.
        """
        command = self._client.change(PreparePacket, group_id, total, count, mode, receiver_id)
        return await self._client.request(command, PacketPrepared)

    async def send(
        self, group_id: int, packet_id: int, *, greeting: str = "", client_seed: bytes | None = None
    ) -> PacketSent:
        """Pay for a prepared packet and publish it with a greeting (at most 256 characters).

        `client_seed` is 32 bytes, random ones where it is None. Raises RequestRefused: group_unknown, forbidden,
        packet_unknown, prepared_lapsed, insufficient_funds, not_member, message_refused, muted, blocked, user_disabled,
        slow_mode.
        """
        seed = os.urandom(32) if client_seed is None else client_seed
        return await self._client.request(
            self._client.change(SendPacket, group_id, packet_id, seed, greeting), PacketSent
        )

    async def grab(self, group_id: int, packet_id: int) -> Grabbed:
        """Ask whether there is a share for the user; changes nothing.

        Raises RequestRefused: group_unknown, packet_unknown.
        """
        return await self._client.request(self._client.build(GrabPacket, group_id, packet_id), Grabbed)

    async def open(self, group_id: int, packet_id: int) -> PacketShare:
        """Open a packet and return the user's share, which is in the wallet by then: once, however many connections it needs.

        Raises RequestRefused: group_unknown, packet_unknown, already_had, exhausted, expired, not_for_you.
        """
        return await self._client.request(self._client.change(OpenPacket, group_id, packet_id), PacketShare)

    async def show(self, packet_id: int) -> PacketShown:
        """Return who took what, and once the packet is over the seed that proves it; all pages in one.

        Raises RequestRefused: group_unknown, packet_unknown.
        """
        shown: PacketShown = await self._client.request(self._client.build(ShowPacket, packet_id), PacketShown)
        while shown.more:
            command = self._client.build(ShowPacket, packet_id, len(shown.openings))
            page: PacketShown = await self._client.request(command, PacketShown)
            if page.state != shown.state:  # over since: now it shows amounts that it hid before
                return await self.show(packet_id)
            shown = attrs.evolve(page, openings=shown.openings + page.openings)
        return shown
