"""What people of a community do next, and what follows from the answers: who is in which group, packets, heads.

Which group: the n-th busiest with a weight of 1/n (Zipf), as communities are. How long a message is has a heavy tail too.
The first two of a group never leave it: its owner, and one who looks at what is uploaded.
"""

import os
import random
from typing import Any, Final

from bench.scenarios.redpack import client_id
from bench.workers.streams import WrongStream
from chatsrv_protocol.conversation import React
from chatsrv_protocol.groups import AddMembers, ListMembers, RemoveMember
from chatsrv_protocol.messages import Send
from chatsrv_protocol.redpack import OpenPacket, PreparePacket, SendPacket
from chatsrv_protocol.sync import History, ListGroups, MarkRead

DEEDS: Final = {
    "send": 44, "read": 12, "mark": 16, "react": 12, "members": 3, "groups": 3, "leave": 2, "join": 2, "packet": 1,
    "open": 5,
}  # fmt: skip
"""How often each, of a hundred. Pictures come besides, from a process of their own."""

EMOJI: Final = ("👍", "🎉", "😂", "❤️")
STAY: Final = 2
SHARES: Final = 10
PREPARING: Final = 4
"""Packets that one owner prepares at a time; the server allows one more."""

Deed = tuple[int, str, int, Any]
"""Who (place in the town), what, in which group, and the command."""


class Packet:
    """A red packet that was sent: what is left in it, and who had something."""

    __slots__ = ("cents", "group_id", "had", "left")

    def __init__(self, group_id: int, cents: int) -> None:
        self.group_id = group_id
        self.cents = cents
        self.left = SHARES
        self.had: set[int] = set()


class Deeds:
    """The community as it is, and what happens in it next: the same for the same seed and answers."""

    def __init__(self, groups: list[tuple[int, list[int]]], user_ids: list[int], seed: int = 1) -> None:
        self.groups = groups
        self.members = dict(groups)
        self.user_ids = user_ids
        self.weights = [1 / number for number in range(1, len(groups) + 1)]
        self.away: list[tuple[int, int]] = []
        self.moved: dict[tuple[int, int], None] = {}
        self.heads: dict[int, int] = {}
        self.packets: dict[int, Packet] = {}
        self.preparing: dict[int, int] = {}
        self.random = random.Random(seed)

    def next(self, count: int) -> Deed:
        """Return who does what; `count` makes the client id unique."""
        kind = self.random.choices(list(DEEDS), list(DEEDS.values()))[0]
        group_id, members = self.random.choices(self.groups, self.weights)[0]
        present = self.present(group_id)
        place = self.random.choice(present)
        if kind == "join" and self.away:
            group_id, back = self.away.pop(0)
            owner = self.members[group_id][0]
            return owner, kind, group_id, AddMembers(client_id(count), group_id, (self.user_ids[back],))
        if kind in ("leave", "join") and len(present) > STAY:
            place = self.random.choice(present[STAY:])
            self.away.append((group_id, place))
            self.moved[group_id, place] = None
            return members[0], "leave", group_id, RemoveMember(client_id(count), group_id, self.user_ids[place])
        if kind in ("open", "packet"):
            return self.money(kind, group_id, count)
        if kind == "read":
            return place, kind, group_id, History(group_id, limit=50, newest=True)
        if kind == "members":
            return place, kind, group_id, ListMembers(group_id)
        if kind == "groups":
            return place, kind, 0, ListGroups()
        head = self.heads.get(group_id)
        if kind == "mark" and head:
            return place, kind, group_id, MarkRead(group_id, head)
        if kind == "react" and head:
            return place, kind, group_id, React(client_id(count), group_id, head, self.random.choice(EMOJI))
        return self.talk(place, group_id, count)

    def talk(self, place: int, group_id: int, count: int) -> Deed:
        """Return a message; most are short."""
        size = min(2000, int(self.random.paretovariate(1.2) * 20))
        return place, "send", group_id, Send(client_id(count), group_id, "m" * size)

    def money(self, kind: str, group_id: int, count: int) -> Deed:
        """Open a packet that has a share left; where there is none, let an owner make one."""
        if kind == "open":
            for packet_id, packet in self.packets.items():
                able = [place for place in self.present(packet.group_id) if place not in packet.had]
                if packet.left and able:
                    place = self.random.choice(able)
                    packet.had.add(place)
                    packet.left -= 1
                    return place, kind, packet.group_id, OpenPacket(client_id(count), packet.group_id, packet_id)
        owner = self.members[group_id][0]
        if self.preparing.get(owner, 0) >= PREPARING:
            return self.talk(owner, group_id, count)
        self.preparing[owner] = self.preparing.get(owner, 0) + 1
        return owner, "packet", group_id, PreparePacket(client_id(count), group_id, SHARES * 10, SHARES)

    def prepared(self, group_id: int, packet_id: int, count: int) -> SendPacket:
        """Return what follows on a packet that is prepared."""
        return SendPacket(client_id(count), group_id, packet_id, os.urandom(32), "for all")

    def packet_sent(self, owner: int, group_id: int, packet_id: int) -> None:
        """Note that a packet can be opened."""
        self.preparing[owner] -= 1
        self.packets[packet_id] = Packet(group_id, SHARES * 10)

    def opened(self, packet_id: int, cents: int) -> None:
        """Note that a share was drawn. Raises WrongStream for more than there was."""
        packet = self.packets[packet_id]
        packet.cents -= cents
        if packet.cents < packet.left:
            raise WrongStream(f"packet {packet_id}: {packet.cents} cents are left for {packet.left} shares")

    def check_money(self) -> int:
        """Return how many packets were opened whole, to the cent. Raises WrongStream for one that has cents left over."""
        whole = [(packet_id, packet) for packet_id, packet in self.packets.items() if not packet.left]
        for packet_id, packet in whole:
            if packet.cents:
                raise WrongStream(f"packet {packet_id}: all shares are opened, and {packet.cents} cents are left")
        return len(whole)

    def present(self, group_id: int) -> list[int]:
        """Return the places of who is in a group, or is being added to it."""
        gone = {place for group, place in self.away if group == group_id}
        return [place for place in self.members[group_id] if place not in gone]
