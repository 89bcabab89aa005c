"""`redpack`: opens a second, durable: on one hot packet after the other, over many at once, and 500 people in one burst."""

import os
import time
from typing import Any

from bench.data.dataset import Town, apart
from bench.reporting.histogram import Latencies
from bench.scenarios.conversation import Failed
from bench.workers import target
from bench.workers.control import Child
from bench.workers.sockets import ClientSocket, open_links
from bench.workers.target import Target
from chatsrv_protocol import encode
from chatsrv_protocol.groups import ListMembers
from chatsrv_protocol.redpack import GrantMoney, OpenPacket, PreparePacket, SendPacket


class Purse:
    """Somebody who makes packets: one connection, one request at a time."""

    def __init__(self, link: ClientSocket, group_id: int, name: str) -> None:
        self._link = link
        self._group_id = group_id
        self._count = 2
        self._ask(GrantMoney(client_id(0), name, 10**9), 0x0644)

    def _ask(self, command: Any, reply: int) -> list[Any]:
        self._count += 1
        self._link.say(encode(command, self._count))
        return self._link.await_frame(reply)

    def packet(self, shares: int) -> int:
        """Send a packet of ten cents a share to the group; return its id."""
        prepared = self._ask(PreparePacket(client_id(self._count), self._group_id, shares * 10, shares), 0x0640)
        seed = os.urandom(32)
        self._ask(SendPacket(client_id(self._count), self._group_id, prepared[2], seed, "bench"), 0x0647)
        return prepared[2]

    def settle(self) -> None:
        """Leave nothing unread that could be in the way."""
        self._ask(ListMembers(self._group_id), 0x0243)


def client_id(count: int) -> bytes:
    """Return a UUIDv7 of now."""
    return (time.time_ns() // 1_000_000).to_bytes(6, "big") + b"\x7a\x00" + (1 << 63 | count).to_bytes(8, "big")


def run(members: int, connections: int, opens: int, *, window: int = 50, transport: str = "tcp") -> dict[str, Any]:
    """Run all three rounds on one server, the first two with so many openings in flight."""
    with target.server(members + 1, apart(1, members + 1), transport=transport, operator=True) as served:
        town = served.town
        link = open_links(served.url, [town.people[0].token])[0]
        link.block()
        purse = Purse(link, town.groups[0].group_id, town.people[0].name)
        hot = [purse.packet(connections) for _ in range(max(1, opens // connections))]
        many = [purse.packet(min(500, max(1, opens // 1000 + 1))) for _ in range(min(1000, opens))]
        burst = purse.packet(min(members, 500))
        link.close()
        result: dict[str, Any] = {
            "options": {"members": members, "connections": connections, "opens": opens, "window": window}
        }
        result["hot"] = measure(served, connections, [(who, it) for it in hot for who in range(connections)], window)
        apart_by = max(1, len(many) // connections)
        spread = [
            (number % connections, many[(number // connections + number % connections * apart_by) % len(many)])
            for number in range(opens)
        ]
        result["many"] = measure(served, connections, spread, window)
        result["burst"] = measure(served, members, [(who, burst) for who in range(members)], members)
        return result


def measure(served: Target, connections: int, opens: list[tuple[int, int]], window: int) -> dict[str, Any]:
    """Run one round: who opens which packet, so many at a time."""
    town: Town = served.town
    group_id = town.groups[0].group_id
    seen: dict[tuple[int, int], None] = dict.fromkeys(opens)
    asks = [
        (who, number + 10, encode(OpenPacket(client_id(number), group_id, packet), number + 10).hex())
        for number, (who, packet) in enumerate(seen)
    ]
    tokens = [person.token for person in town.people[1 : connections + 1]]
    job = {"url": served.url, "group_id": group_id, "tokens": tokens, "asks": asks, "window": window}
    with Child("bench.workers.request_worker", job) as child:
        child.hear()
        before = served.usage()
        child.tell({})
        figures = child.hear()
        after = served.usage()
    if figures["error"]:
        raise Failed(figures["error"])
    latency = Latencies()
    latency.merge(figures["latency"])
    opened = figures["answers"].get("0x0642", 0)
    return {
        "opens_per_second": round(opened / figures["seconds"]),
        "answers": figures["answers"],
        "server_cpu_us_per_open": round((after["cpu"] - before["cpu"]) / max(1, opened) * 1e6, 1),
        "latency": latency.summary(),
        "events_to_each": figures["events"],
        "generator_cpu_share": round(figures["cpu"] / figures["wall"], 3),
    }
