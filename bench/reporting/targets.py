"""What is asked of the server, and the rows that say of a result whether it is met."""

from typing import Any, Final

import attrs

SHARE: Final = {2000: (0.7, 0.85), 500: (0.45, 0.75), 100: (0.22, 0.5)}
"""Saturated: deliveries/s as a share of the floor's, by members: what must be reached, and what we are after."""

SATURATED_CPU: Final = {2000: 1.4, 500: 2.0, 100: 4.0}
PACED_CPU: Final = {2000: 1.5, 500: 1.5, 100: 2.0}
"""CPU a delivery, as a multiple of the floor's."""

PACED_P99: Final = 1.5

MANY_GROUPS_RATE: Final = 4000
MANY_GROUPS_CPU: Final = (2.5, 1.6)
MANY_GROUPS_P99_MS: Final = 5.0
LOGINS: Final = 1000
OPENS: Final = 4000
IDLE_KIB: Final = {"tcp": 12.0, "ws": 30.0}
LINEAR: Final = 1.1
"""How much more than the first third of the connections a further one may take."""

WEBSOCKET: Final = 1.15
BESIDE_PASSWORDS: Final = 2.0
SYNC_SECONDS: Final = 30.0
READY_SECONDS: Final = 2.0
READING: Final = 1.2
COMMAND_CPU_MS: Final = 300.0
"""User and system time of a command that asks the server something."""

PAGE_SCRIPT_BYTES: Final = 60 * 1024
PAGE_CHUNK_BYTES: Final = 40 * 1024
PAGE_STYLE_BYTES: Final = 12 * 1024
PAGE_LIST_MS: Final = 600
PAGE_LIST_SLOW_MS: Final = 1000
PAGE_CHAT_MS: Final = 200
PAGE_SEEN_MS: Final = 200
PAGE_MOVE_PX: Final = 2
PAGE_ROWS: Final = 120
PAGE_HEAP_BYTES: Final = 40 * 2**20
PAGE_FRAME_MS: Final = 150
PAGE_GROWN_BYTES: Final = 2**20
PAGE_GROWN_NODES: Final = 100
"""No growth over a hundred switches, but what a collection of garbage leaves by chance."""

MARK: Final = "\\*"
"""Behind a throughput that the load may have limited."""

Figure = float | int | None


@attrs.frozen(slots=True)
class Row:
    """A line of the table. `met` is None where no target is set."""

    name: str
    server: str
    floor: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None

    def cells(self) -> str:
        """Return the row as Markdown."""
        met = "" if self.met is None else "yes" if self.met else "**no**"
        return f"| {self.name} | {self.server} | {self.floor} | {self.ratio} | {self.target} | {met} |"


def shown(value: Figure, unit: str = "") -> str:
    """Return a figure with three digits, or whole from 1,000 on."""
    if value is None:
        return "none"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def at_most(name: str, value: Figure, limit: float, unit: str = "", then: float | None = None) -> Row:
    """Return the row of a figure with an upper bound."""
    wanted = f"≤ {shown(limit, unit)}" + (f", then {shown(then)}" if then else "")
    return Row(name, shown(value, unit), "", "", wanted, value is not None and value <= limit)


def at_least(name: str, value: Figure, limit: float, unit: str = "") -> Row:
    """Return the row of a figure with a lower bound."""
    return Row(name, shown(value, unit), "", "", f"≥ {shown(limit, unit)}", value is not None and value >= limit)


def against(
    name: str, ours: Figure, theirs: Figure, *, low: float | None = None, high: float | None = None,
    then: float | None = None, unsure: tuple[bool, bool] = (False, False),
) -> Row:  # fmt: skip
    """Return the row of a figure beside the floor's, with a bound on the ratio.

    `unsure`: whether the load was the bottleneck of the server, of the floor.
    """
    ratio = ours / theirs if ours is not None and theirs else None
    bound = f"≥ {low}" if low is not None else f"≤ {high}" if high is not None else ""
    wanted = bound + (f", then {then}" if then else "")
    met = None
    if bound:
        met = ratio is not None and (ratio >= low if low is not None else ratio <= (high or 0.0))
    cells = [shown(value) + MARK * mark for value, mark in zip((ours, theirs), unsure, strict=True)]
    return Row(name, cells[0], cells[1] if theirs is not None else "", shown(ratio) if ratio else "", wanted, met)


def _limited(result: dict[str, Any]) -> bool:
    return bool(result["generator"]["is_bottleneck"])


def pace_of(options: dict[str, Any]) -> str:
    """Return in words how a conversation was loaded."""
    return f"{options['rate']:g} messages/s" if options["rate"] else f"{options['window']} in flight"


def saturated(result: dict[str, Any]) -> list[Row]:
    """Return the rows of `fanout` with a window."""
    floor, members = result["floor_turn"], result["options"]["members"]
    share, then = SHARE.get(members, (None, None))
    unsure = _limited(result), _limited(floor)
    name = f"`fanout`, {members:,} members, {result['options']['window']} in flight"
    ours, theirs = (each["deliveries_per_second"] for each in (result, floor))
    rows = [against(f"{name}: deliveries/s", ours, theirs, low=share, then=then, unsure=unsure)]
    ours, theirs = (each["server_cpu_us_per_delivery"] for each in (result, floor))
    return [*rows, against("… CPU µs a delivery", ours, theirs, high=SATURATED_CPU.get(members))]


def paced(result: dict[str, Any]) -> list[Row]:
    """Return the rows of `fanout` with a rate."""
    floor, members = result["floor_turn"], result["options"]["members"]
    ours, theirs = (each["server_cpu_us_per_delivery"] for each in (result, floor))
    p99 = [each["latency"]["delivery"]["p99_ms"] for each in (result, floor)]
    p50 = [each["latency"]["delivery"]["p50_ms"] for each in (result, floor)]
    name = f"`fanout`, {members:,} members, {result['options']['rate']:g} messages/s"
    return [
        against(f"{name}: CPU µs a delivery", ours, theirs, high=PACED_CPU.get(members)),
        against("… p50 ms", p50[0], p50[1]),
        against("… p99 ms", p99[0], p99[1], high=PACED_P99),
    ]


def over(result: dict[str, Any], tcp: dict[str, Any] | None) -> list[Row]:
    """Return the rows of a scenario over another transport, beside the same over TCP in the place of the floor."""
    transport, options = result["transport"], result["options"]
    size = f"{options['groups']:,} groups of {options['members']:,}"
    name = f"`{result['scenario']}` over {transport}, {size}, {pace_of(options)}, beside TCP"
    asked = WEBSOCKET if transport == "ws" and options["rate"] else None
    rows = [
        against(
            f"{name}: CPU µs a message", result["server_cpu_us_per_message"],
            _at(tcp, "server_cpu_us_per_message"), high=asked,
        )
    ]  # fmt: skip
    if options["rate"]:
        p99 = [each["latency"]["delivery"]["p99_ms"] if each else None for each in (result, tcp)]
        return [*rows, against("… p99 ms", p99[0], p99[1], high=asked)]
    unsure = _limited(result), bool(tcp) and _limited(tcp)
    ours, theirs = result["deliveries_per_second"], _at(tcp, "deliveries_per_second")
    return [*rows, against("… deliveries/s", ours, theirs, unsure=unsure)]


def _at(result: dict[str, Any] | None, name: str) -> Figure:
    return None if result is None else result[name]


def many_groups(result: dict[str, Any]) -> list[Row]:
    """Return the rows of `many-groups`, with a window or a rate."""
    floor, options = result["floor_turn"], result["options"]
    cpu = [each["server_cpu_us_per_message"] for each in (result, floor)]
    p99 = [each["latency"]["delivery"]["p99_ms"] for each in (result, floor)]
    name = f"`many-groups`, {options['groups']:,} of {options['members']}"
    if options["rate"]:
        limit = MANY_GROUPS_P99_MS
        reached = attrs.evolve(
            against(f"{name}, {options['rate']:,.0f} messages/s: p99 ms", *p99),
            target=f"< {limit:g} ms",
            met=p99[0] < limit,
        )
        return [reached, against("… CPU µs a message", *cpu)]
    rates = [each["messages_per_second"] for each in (result, floor)]
    row = against(
        f"{name}, {options['window']} in flight: messages/s",
        *rates,
        unsure=(_limited(result), _limited(floor)),
    )
    reached = attrs.evolve(row, target=f"≥ {MANY_GROUPS_RATE:,}", met=rates[0] >= MANY_GROUPS_RATE)
    must, then = MANY_GROUPS_CPU
    return [reached, against("… CPU µs a message", *cpu, high=must, then=then)]


def memory(result: dict[str, Any]) -> list[Row]:
    """Return the rows of `idle`."""
    first, *further = result["steps"]
    limit = IDLE_KIB.get(result["transport"])
    floor = result.get("floor_turn")
    row = against(
        f"`idle` over {result['transport']}, {first['connections']:,} connections: KiB each",
        first["bytes_per_connection"] / 1024,
        floor["steps"][0]["bytes_per_connection"] / 1024 if floor else None,
    )
    if limit:
        row = attrs.evolve(row, target=f"≤ {limit:g}", met=first["bytes_per_connection"] <= limit * 1024)
    most = max(step["bytes_per_further_connection"] for step in further) / first["bytes_per_connection"]
    upto = f"… up to {result['options']['connections']:,}: a further one, as a share of these"
    slope = result["bytes_per_connection_by_slope"] / 1024
    return [
        row,
        at_most(upto, most, LINEAR),
        Row("… the slope of all steps, KiB", shown(slope)),
        Row("… CPU at rest, of a core", shown(result["idle_cpu_share"])),
    ]
