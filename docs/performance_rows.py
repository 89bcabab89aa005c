"""Which measures stand in the tables of docs/performance.md, how each is shown, and what it is compared with."""

import sys
from pathlib import Path
from typing import Final

import attrs

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.reporting import targets


@attrs.frozen
class Shown:
    """A line of a table of runs: which measure, how it is shown, and its bounds."""

    scenario: str
    measure: str
    title: str
    divide: float = 1.0
    """By what the raw value is divided to be in the unit of the title."""
    ratio_most: float | None = None
    ratio_least: float | None = None
    most: float | None = None
    least: float | None = None
    then: float | None = None
    """A further target, stated but not checked."""


PACED: Final = "latency.delivery.p99_ms"
FLOOR_ROWS: Final = (
    *(
        each
        for members in (500, 2000, 100)
        for each in (
            Shown(
                f"fanout-{members}",
                "deliveries_per_second",
                f"`fanout`, {members:,} members, 128 in flight: deliveries/s, millions",
                1e6,
                ratio_least=targets.SHARE[members][0],
                then=targets.SHARE[members][1],
            ),
            Shown(
                f"fanout-{members}",
                "server_cpu_us_per_delivery",
                "… CPU µs a delivery",
                ratio_most=targets.SATURATED_CPU[members],
            ),
            Shown(
                f"fanout-{members}-paced",
                "server_cpu_us_per_delivery",
                "… at 20 messages/s: CPU µs a delivery",
                ratio_most=targets.PACED_CPU[members],
            ),
            Shown(f"fanout-{members}-paced", PACED, "… … p99 ms", ratio_most=targets.PACED_P99),
        )
    ),
    Shown(
        "fanout-500-ws",
        "server_cpu_us_per_message",
        "`fanout` over WebSocket, 500 members, 128 in flight, beside TCP: CPU µs a message",
    ),
    Shown(
        "fanout-500-paced-ws",
        "server_cpu_us_per_message",
        "… at 20 messages/s: CPU ms a message",
        1e3,
        ratio_most=targets.WEBSOCKET,
    ),
    Shown("fanout-500-paced-ws", PACED, "… … p99 ms", ratio_most=targets.WEBSOCKET),
    Shown(
        "fanout-500-tls",
        "server_cpu_us_per_message",
        "`fanout` over TLS, 500 members, 128 in flight, beside TCP: CPU µs a message",
    ),
    Shown("fanout-500-tls", "deliveries_per_second", "… deliveries/s, millions", 1e6),
    Shown(
        "many-groups",
        "messages_per_second",
        "`many-groups`, 1,000 of 10, 200 in flight: messages/s",
        least=targets.MANY_GROUPS_RATE,
    ),
    Shown(
        "many-groups",
        "server_cpu_us_per_message",
        "… CPU µs a message",
        ratio_most=targets.MANY_GROUPS_CPU[0],
        then=targets.MANY_GROUPS_CPU[1],
    ),
    Shown("many-groups-paced", PACED, "… at 1,000 messages/s: p99 ms", most=targets.MANY_GROUPS_P99_MS),
    Shown(
        "idle-tcp",
        "steps[5000].bytes_per_connection",
        "`idle` over TCP: KiB a connection",
        1024,
        most=targets.IDLE_KIB["tcp"],
    ),
    Shown("idle-tcp", "steps[15000].bytes_per_further_connection", "… of a further one, up to 15,000", 1024),
    Shown("idle-ws", "steps[5000].bytes_per_connection", "… over WebSocket", 1024, most=targets.IDLE_KIB["ws"]),
    Shown("idle-tls", "steps[2000].bytes_per_connection", "… over TLS", 1024),
)
ABSOLUTE_ROWS: Final = (
    Shown("connect", "token.logins_per_second", "`connect`: logins by token/s", least=targets.LOGINS),
    Shown(
        "connect",
        "conversation.p99_ratio",
        "… p99 of a conversation beside password logins, as a multiple of its p99 at rest",
        most=targets.BESIDE_PASSWORDS,
    ),
    Shown("sync", "seconds", "`sync`, 5,000 clients, 10 groups, 50 missed in each: s", most=targets.SYNC_SECONDS),
    Shown("sync-5000", "seconds", "… 5 missed in each: s"),
    Shown("sync-2000", "seconds", "… 2,000 clients, 5 missed in each: s"),
    Shown("sync-2000", "server_cpu_us_per_client", "… … CPU µs a client"),
    Shown(
        "deaf",
        "latency.beside.p99_ms",
        "`deaf`, 50 of 250 never read: p99 ms of the others (floor: before them)",
        ratio_most=1.2,
    ),
    Shown("deaf", "memory_grown", "… memory grown, MiB (target: the bound of limits.md)", 2**20, most=60.8),
    Shown("deaf", "deaf_left", "… slow readers left after the deadline", most=0),
    Shown("startup", "ready_seconds", "`startup`, 1,000,000 messages: s until ready", most=targets.READY_SECONDS),
    Shown("startup", "ready_seconds_after_a_kill", "… after a kill: s", most=targets.READY_SECONDS),
    Shown(
        "startup", "reading.newest.ratio", "… CPU of a page of history, beside 10,000 messages", most=targets.READING
    ),
    Shown("startup", "reading.catch_up.ratio", "… CPU of catching up, beside 10,000 messages", most=targets.READING),
    Shown("cli", "cpu_ms.python", "`cli`: CPU ms of `python -c pass`"),
    *(
        Shown("cli", f"cpu_ms.{name}", f"… of `chatsrv {name}` (floor: `import trio`)", most=targets.COMMAND_CPU_MS)
        for name in ("whoami", "send", "history", "group list", "wallet balance")
    ),
    Shown(
        "redpack",
        "hot.opens_per_second",
        "`redpack`, one packet, 50 in flight: openings/s",
        least=targets.OPENS,
        then=10_000,
    ),
    Shown("redpack", "many.opens_per_second", "… 1,000 packets: openings/s", least=targets.OPENS, then=10_000),
    Shown(
        "redpack-200",
        "hot.opens_per_second",
        "… one packet, 200 in flight over 100 connections: openings/s",
        least=targets.OPENS,
        then=10_000,
    ),
    Shown("redpack-200", "many.opens_per_second", "… … 1,000 packets: openings/s", least=targets.OPENS, then=10_000),
    Shown("redpack", "burst.latency.max_ms", "… 500 at once: ms until the last answer", most=250),
    Shown("mixed-tcp", "latency.send.p99_ms", "`mixed`, 200 people, 303 commands/s: p99 ms of a message"),
    Shown("mixed-tcp", "latency.react.p99_ms", "… p99 ms of a reaction"),
)
READ_ROWS: Final = (
    Shown("group_list", "cpu_ms", "`group_list`, 200 groups of 10,000 messages: CPU ms", most=5),
    Shown("group_list", "cpu_p90_ms", "… p90 ms"),
    Shown("search", "rare_words_ms", "`search`, 1,000,000 messages in 200 groups, rare words: ms", most=50),
    Shown("search", "frequent_words_ms", "… frequent words: ms", most=50),
    Shown("search", "worst_ms", "… the slowest: ms", most=50),
    Shown("search", "one_group_ms", "… in one group: ms", most=50),
    Shown("search", "commit_p99_ms", "… p99 of commits with indexing beside them (floor: without): ms"),
    Shown(
        "media",
        "conversation_p99_ms",
        "`media`, 20 uploads of 50 MB, 20 thumbnails: p99 ms of a conversation (floor: before)",
        most=100,
    ),
    Shown("media", "memory_grown", "… memory grown, MiB", 2**20, most=64),
)
GROWTH_ROWS: Final = (
    Shown("growth", "members.message.at_zero", "with the members of a group: µs a message"),
    Shown("growth", "members.message.each", "… and for each member"),
    Shown("growth", "groups.message.at_zero", "with active groups of 10: µs a message"),
    Shown("growth", "groups.message.each", "… and for each active group"),
    Shown("growth", "connections.message.exponent", "with idle connections: exponent of the CPU a message"),
    Shown("growth", "connections.memory.exponent", "… exponent of the memory"),
)
PAGE_ROWS: Final = (
    Shown("page", "size.first_script_bytes", "first script, KiB gzip", 1024, most=targets.PAGE_SCRIPT_BYTES / 1024),
    Shown("page", "size.style_bytes", "style, KiB gzip", 1024, most=targets.PAGE_STYLE_BYTES / 1024),
    Shown("page", "start.list_ms", "navigation to the list, cold: ms", most=targets.PAGE_LIST_MS),
    Shown("page", "start.list_slow_ms", "… at 50 ms and 10 Mbit/s: ms", most=targets.PAGE_LIST_SLOW_MS),
    Shown("page", "start.chat_drawn_ms", "a chat drawn: ms", most=targets.PAGE_CHAT_MS),
    Shown("page", "said_to_seen_ms", "sent by one, seen by another: ms", most=targets.PAGE_SEEN_MS),
    Shown(
        "page",
        "scroll.largest_move_px",
        "10,000 messages with pictures scrolled: largest move, px",
        most=targets.PAGE_MOVE_PX,
    ),
    Shown("page", "scroll.rows_at_most", "… rows in the document", most=targets.PAGE_ROWS),
    Shown("page", "scroll.heap_bytes", "… heap after it, MiB", 2**20, most=targets.PAGE_HEAP_BYTES / 2**20),
    Shown("page", "flood.lost", "5,000 messages at 500/s: lost", most=0),
    Shown("page", "flood.frame_p99_ms", "… frame p99 ms", most=targets.PAGE_FRAME_MS),
    Shown(
        "page",
        "switches.heap_grown_bytes",
        "100 switches: heap grown, MiB",
        2**20,
        most=targets.PAGE_GROWN_BYTES / 2**20,
    ),
    Shown("page", "switches.nodes_grown", "… nodes grown", most=targets.PAGE_GROWN_NODES),
    Shown("page", "hidden.reconnects", "hidden for 10 minutes: connections lost", most=0),
)
