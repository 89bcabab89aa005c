"""What is asked of those that take turns (`bench.scenarios.turns`): the upper bounds of their CPU and latency."""

from typing import Final

import attrs


@attrs.frozen(slots=True)
class TurnTarget:
    """An upper bound of one figure in one cell: of its ratio to another's, of its difference, or of itself."""

    cell: str
    who: str
    beside: str
    """Those that the figure is compared with; empty where the figure itself is bounded."""
    at_most: float
    figure: str = "cpu_us_per_message"
    is_difference: bool = False


TURN_TARGETS: Final = (
    TurnTarget("1 x 500, 20/s", "server", "durable", 1.4),
    TurnTarget("1 x 500, 32 in flight", "server", "redis", 1.15),
    TurnTarget("1 x 500, 128 in flight", "server", "redis", 0.8),
    TurnTarget("1 x 100, 100/s", "server", "durable", 1.4),
    TurnTarget("1 x 100, 32 in flight", "server", "floor", 3.0),
    TurnTarget("1 x 100, 128 in flight", "server", "floor", 5.0),
    TurnTarget("1000 x 10, 1000/s", "server", "durable", 1.35),
    TurnTarget("1000 x 10, 1000/s", "server", "durable", 3.0, "p99_ms"),
    TurnTarget("1000 x 10, 1000/s", "server", "", 3.0, "p50_ms"),
    TurnTarget("1000 x 10, 1000/s", "pings", "server", 60.0, is_difference=True),
    TurnTarget("1000 x 10, 200 in flight", "server", "floor", 1.6),
    TurnTarget("1 x 500, 32 in flight", "ws", "server", 1.15),
    TurnTarget("1 x 500, 20/s", "ws", "server", 1.15),
    TurnTarget("1 x 500, 32 in flight", "tls", "floor-tls", 1.3),
    TurnTarget("1 x 500, 20/s", "delivered-burst", "server", 1.08),
    TurnTarget("1 x 500, 20/s", "delivered-spread", "server", 1.08),
    TurnTarget("1 x 500, 20/s", "delivered-burst-3s", "server", 1.08),
    TurnTarget("1 x 500, 20/s", "delivered-spread-3s", "server", 1.08),
    TurnTarget("1 x 500, 20/s", "delivered-heard-3s", "server", 1.08),
)
