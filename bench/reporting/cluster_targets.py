"""What is asked of several nodes, and the rows that say of a result of `cluster` whether it is met."""

from typing import Any, Final

from bench.reporting.targets import Row, against, at_most, shown

BATCH_CLIENT_US: Final = 60
BATCH_SERVER_US: Final = 40
"""CPU a message of a batch of 100, of the node's storage and of PostgreSQL."""

LONE: Final = 3.5
"""CPU of a lone message on PostgreSQL, client and server together, as a multiple of SQLite's."""

THREE_NODES: Final = 1.5
"""Messages/s of three nodes as a multiple of one node's on the same PostgreSQL."""

FAN_OUT_SPREAD: Final = 1.3
CROSSING_MS: Final = 10
CROSSING_WITHOUT_BUS_SECONDS: Final = 2.5
AS_BEFORE: Final = 1.03
"""CPU of one node on SQLite, as a multiple of that of the version without the Feed."""


def rows(result: dict[str, Any]) -> list[Row]:
    """Return all of it, each figure beside its target. In the column of the floor: what the row's name says it is compared with."""
    return [
        *_stored(result["stored"]),
        *_lone(result["lone"]),
        *_groups(result["groups"], result["options"]["groups"]),
        *_fan_out(result["fan_out"], result["options"]["members"]),
        *_crossing(result["crossing"]),
        *_before(result["before"]),
    ]


def _stored(stored: dict[str, Any]) -> list[Row]:
    lone, batch, floor = (stored[f"{what}_postgres"] for what in ("lone", "batch", "floor"))
    sqlite = {what: stored[f"{what}_sqlite"]["client_us"] for what in ("lone", "batch", "floor")}
    return [
        at_most("stored in batches of 100: CPU µs a message, client", batch["client_us"], BATCH_CLIENT_US),
        at_most("… PostgreSQL", batch["server_us"], BATCH_SERVER_US),
        _beside("… both (SQLite)", batch, sqlite["batch"], stored["batch_ratio"]),
        _beside("stored alone: CPU µs a message, client and PostgreSQL (SQLite)", lone, sqlite["lone"], stored["lone_ratio"], LONE),
        Row("… client; PostgreSQL", f"{shown(lone['client_us'])}; {shown(lone['server_us'])}"),
        _beside("… floor: one INSERT and COMMIT (SQLite)", floor, sqlite["floor"], stored["floor_ratio"]),
        Row("… messages/s (SQLite)", shown(lone["messages_per_second"]), shown(stored["lone_sqlite"]["messages_per_second"])),
    ]  # fmt: skip


def _beside(name: str, both: dict[str, float], sqlite: float, ratio: float, limit: float | None = None) -> Row:
    """Client and server together, beside SQLite; the ratio is the median of the rounds'."""
    wanted, met = ("", None) if limit is None else (f"≤ {limit:g}", ratio <= limit)
    return Row(name, shown(both["client_us"] + both["server_us"]), shown(sqlite), shown(ratio), wanted, met)


def _lone(lone: dict[str, Any]) -> list[Row]:
    one, sqlite = lone["one"], lone["sqlite"]
    both = one["node_us"] + one["postgres_us"]
    return [
        Row(
            "a whole node, one message under way: CPU µs a message, node and PostgreSQL (on SQLite)",
            shown(both), shown(sqlite["node_us"]), shown(lone["ratio"]), f"≤ {LONE:g}", lone["ratio"] <= LONE,
        ),
        Row("… node; PostgreSQL", f"{shown(one['node_us'])}; {shown(one['postgres_us'])}"),
        against("… ack p50 ms (on SQLite)", one["p50_ms"], sqlite["p50_ms"]),
    ]  # fmt: skip


def _groups(groups: dict[str, Any], count: int) -> list[Row]:
    one, three = groups["one"], groups["three"]
    name = f"{count:,} groups, three nodes (one node on the same PostgreSQL): messages/s"
    parts = ("node", "postgres", "redis")
    return [
        Row(
            name, shown(three["messages_per_second"]), shown(one["messages_per_second"]), shown(groups["rate_ratio"]),
            f"≥ {THREE_NODES:g}", groups["rate_ratio"] >= THREE_NODES,
        ),
        *(
            Row(f"… CPU µs a message: {part}", shown(three[f"{part}_us"]), shown(one[f"{part}_us"]))
            for part in parts
        ),
        against("… cores of this machine that were busy, the load's included", three["cores_busy"], one["cores_busy"]),
        Row("… what three cores for nodes would give, by CPU alone, as a multiple of one", shown(3 / groups["node_ratio"])),
        against("… ack p50 ms", three["p50_ms"], one["p50_ms"]),
        against("… ack p99 ms", three["p99_ms"], one["p99_ms"]),
    ]  # fmt: skip


def _fan_out(fan_out: dict[str, Any], members: int) -> list[Row]:
    one, three, floor = fan_out["one"], fan_out["three"], fan_out["floor"]
    paced = fan_out["paced"]
    figure = "node_us_per_delivery"
    return [
        Row(
            f"a group of {members:,} over three nodes (on one), messages that come alone: nodes' CPU µs a delivery",
            shown(paced["three"][figure]), shown(paced["one"][figure]), shown(paced["ratio"]),
            f"≤ {FAN_OUT_SPREAD:g}", paced["ratio"] <= FAN_OUT_SPREAD,
        ),
        against("… over three nodes (Trio's floor)", paced["three"][figure], paced["floor"][figure]),
        Row(
            "… 32 in flight, over three nodes (on one)",
            shown(three[figure]), shown(one[figure]), shown(fan_out["ratio"]),
            f"≤ {FAN_OUT_SPREAD:g}", fan_out["ratio"] <= FAN_OUT_SPREAD,
        ),
        against("… over three nodes (Trio's floor)", three[figure], floor[figure]),
        against("… messages/s over three nodes (on one)", three["messages_per_second"], one["messages_per_second"]),
    ]  # fmt: skip


def _crossing(crossing: dict[str, Any]) -> list[Row]:
    return [
        at_most("an event to members on other nodes, from the sender's ack: median ms", crossing["from_ack_ms"], CROSSING_MS),
        Row("… from the sending (the ack)", shown(crossing["from_sending_ms"]), shown(crossing["ack_ms"])),
        at_most("… without Redis, from the sending: median s", crossing["without_bus_median_s"], CROSSING_WITHOUT_BUS_SECONDS),
        at_most("… the longest", crossing["without_bus_longest_s"], CROSSING_WITHOUT_BUS_SECONDS),
    ]  # fmt: skip


def _before(before: dict[str, Any] | None) -> list[Row]:
    name = "one node on SQLite (before the Feed): CPU µs a message"
    if before is None:
        return [Row(name, "no git history here")]
    return [
        Row(
            f"{name}, {what}", shown(each["now_us"]), shown(each["before_us"]), shown(each["ratio"]),
            f"≤ {AS_BEFORE:g}", each["ratio"] <= AS_BEFORE,
        )
        for what, each in (("many groups", before["groups"]), ("one group", before["fan_out"]))
    ]  # fmt: skip
