"""One measured conversation: load processes against a server, its usage taken at the same two moments, the proof."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import attrs

from bench.data.dataset import Town
from bench.reporting.histogram import Latencies
from bench.reporting.machine import cores_busy, generator, processor_time
from bench.reporting.profiler import Profiler
from bench.workers.control import Child

Usage = Callable[[], dict[str, Any]]


@attrs.frozen(slots=True, kw_only=True)
class Talk:
    """What the load does."""

    senders: int
    window: int = 0
    rate: float = 0.0
    seconds: float = 5.0
    warm_up: float = 1.0
    processes: int = 1
    bytes: int = 128
    profile: bool = False


class Failed(Exception):
    """The proof failed: something was lost, doubled, out of order or late."""


def shares(total: int, parts: int) -> list[int]:
    """Return a whole number in nearly equal parts."""
    return [total // parts + (part < total % parts) for part in range(parts)]


def converse(url: str, usage: Usage, town: Town, talk: Talk, *, floor: bool = False) -> dict[str, Any]:
    """Run it and answer the figures. Raises Failed."""
    conns = [(place, town.people[place].token, group.group_id) for group in town.groups for place in group.members]
    spread = {conns[len(conns) * number // talk.senders][0]: None for number in range(talk.senders)}
    parts: list[list[tuple[int, str, int, bool]]] = [[] for _ in range(talk.processes)]
    for number, (place, token, group_id) in enumerate(conns):
        parts[number % talk.processes].append((place, token, group_id, place in spread))
    windows = shares(talk.window, talk.processes)
    with ExitStack() as stack:
        loads: list[Child] = []
        began = time.monotonic()
        idle_rss = usage()["rss"]
        for part, window in zip(parts, windows, strict=True):
            job = {
                "urls": [url], "conns": part, "window": window, "rate": talk.rate / talk.processes, "bytes": talk.bytes,
                "floor": floor,
            }  # fmt: skip
            loads.append(stack.enter_context(Child("bench.workers.load", job)))
        for load in loads:
            load.hear()
        connected = time.monotonic() - began
        connected_rss = usage()["rss"]
        start_ns = time.monotonic_ns() + 300_000_000
        for load in loads:
            load.tell({"start_ns": start_ns, "warm_up": talk.warm_up, "seconds": talk.seconds})
        _sleep_until(start_ns / 1e9 + talk.warm_up)
        before, machine_before = usage(), processor_time()
        profiler = Profiler(before["pid"], talk.seconds - 0.5) if talk.profile and not floor else None
        _sleep_until(start_ns / 1e9 + talk.warm_up + talk.seconds)
        after, machine_after = usage(), processor_time()
        totals = together(_heard(loads, talk.seconds + 120))
        for load in loads:
            load.tell({"totals": totals})
        results = _heard(loads, 120)
    profile = {"profile": profiler.result()} if profiler else {}
    figures = _figures(talk, results, before, after)
    busy = cores_busy(machine_before, machine_after)
    return {
        **figures,
        "machine_cores_busy": round(busy, 3),
        "other_work_cores": round(
            max(0.0, busy - figures["server_cpu_share"] - sum(figures["generator"]["cpu_share"])), 3
        ),
        "connections": len(conns),
        "connect_seconds": round(connected, 2),
        "rss_per_connection": round((connected_rss - idle_rss) / len(conns)),
        "proof": proof(results, totals),
        **profile,
    }


def _heard(loads: Sequence[Child], timeout: float) -> list[dict[str, Any]]:
    """Return the next answer of each. Raises Failed where one of them found something wrong."""
    answers = [load.hear(timeout) for load in loads]
    errors = [answer["error"] for answer in answers if answer["error"]]
    if errors:
        raise Failed("; ".join(errors))
    return answers


def together(answers: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Return how many messages all processes said, by group."""
    totals: dict[str, int] = {}
    for answer in answers:
        for group_id, count in answer["said"].items():
            totals[group_id] = totals.get(group_id, 0) + count
    return totals


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.monotonic()))


def _figures(
    talk: Talk, results: Sequence[dict[str, Any]], before: dict[str, Any], after: dict[str, Any]
) -> dict[str, Any]:
    seconds = max(result["seconds"] for result in results)
    deliveries = sum(result["deliveries"] for result in results)
    acked = sum(result["acked"] for result in results)
    wall = after["at"] - before["at"]
    cpu, system = (after[key] - before[key] for key in ("cpu", "system"))
    ack, delivery = Latencies(), Latencies()
    for result in results:
        ack.merge(result["ack"])
        delivery.merge(result["delivery"])
    rate = deliveries / seconds
    threads = sorted((after["threads"].get(name, 0.0) - used for name, used in before["threads"].items()), reverse=True)
    return {
        "deliveries_per_second": round(rate),
        "messages_per_second": round(acked / seconds, 1),
        "deliveries_per_read": round(deliveries / max(1, sum(result["reads"] for result in results)), 1),
        "server_cpu_us_per_delivery": round(cpu / wall / rate * 1e6, 4) if rate else None,
        "server_cpu_us_per_message": round(cpu / wall / (acked / seconds) * 1e6, 2) if acked else None,
        "server_cpu_share": round(cpu / wall, 3),
        "server_kernel_share": round(system / cpu, 3) if cpu else None,
        "server_thread_shares": [round(used / wall, 3) for used in threads[:3]],
        "server_rss": after["rss"],
        "server_rss_peak": after["peak"],
        "latency": {"ack": ack.summary(), "delivery": delivery.summary()},
        "generator": {
            **generator([result["cpu"] for result in results], [result["seconds"] for result in results]),
            "cpu_us_per_delivery": round(sum(result["cpu"] for result in results) / deliveries * 1e6, 4)
            if deliveries
            else None,
        },
    }


def proof(results: Sequence[dict[str, Any]], totals: dict[str, int]) -> dict[str, Any]:
    """Check that all processes agree, and that no group holds more or less than was sent; each has proved its own members.

    Raises Failed.
    """
    digests: dict[str, str] = {}
    held: dict[str, int] = {}
    for result in results:
        for group_id, digest in result["digests"].items():
            if digests.setdefault(group_id, digest) != digest:
                raise Failed(f"the members of group {group_id} in different processes received different streams")
        held |= result["messages"]
    if held != totals:
        raise Failed(f"of {sum(totals.values())} messages the streams hold {sum(held.values())}")
    if sum(result["sent"] for result in results) != sum(totals.values()):
        raise Failed("a process sent more than it said")
    return {
        "exactly_once_in_order": True,
        "messages": sum(totals.values()),
        "how": "every byte of every member compared with its group's stream; the stream decoded: no gap in seq, "
        "every acked message once, each sender's in order; all processes' messages counted together",
    }
