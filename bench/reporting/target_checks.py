"""The rows of the scenarios that have no floor beside them: logins, coming back, slow readers, start, packets, a day, growth."""

from typing import Any

from bench.reporting.targets import (
    BESIDE_PASSWORDS,
    COMMAND_CPU_MS,
    LOGINS,
    OPENS,
    PAGE_CHAT_MS,
    PAGE_CHUNK_BYTES,
    PAGE_FRAME_MS,
    PAGE_GROWN_BYTES,
    PAGE_GROWN_NODES,
    PAGE_HEAP_BYTES,
    PAGE_LIST_MS,
    PAGE_LIST_SLOW_MS,
    PAGE_MOVE_PX,
    PAGE_ROWS,
    PAGE_SCRIPT_BYTES,
    PAGE_SEEN_MS,
    PAGE_STYLE_BYTES,
    READING,
    READY_SECONDS,
    SYNC_SECONDS,
    Row,
    at_least,
    at_most,
    shown,
)


def logins(result: dict[str, Any]) -> list[Row]:
    """Return the rows of `connect`."""
    token, talk = result["token"], result["conversation"]
    rest, beside = talk["latency_at_rest"]["p99_ms"], talk["latency_beside"]["p99_ms"]
    return [
        at_least(f"`connect` over {result['transport']}: logins by token/s", token["logins_per_second"], LOGINS),
        Row("… CPU µs a login", shown(token["server_cpu_us_per_client"])),
        Row(
            f"… p99 ms of a conversation beside {result['password']['logins_per_second']:g} password logins/s (at rest)",
            shown(beside),
            shown(rest),
            shown(talk["p99_ratio"]),
            f"≤ {BESIDE_PASSWORDS:g}",
            talk["p99_ratio"] is not None and talk["p99_ratio"] <= BESIDE_PASSWORDS,
        ),
    ]


def coming_back(result: dict[str, Any]) -> list[Row]:
    """Return the rows of `sync`. That no login was refused is part of the proof: without it there is no result."""
    options = result["options"]
    name = (
        f"`sync`, {options['clients']:,} clients, {options['groups_each']} groups, {options['missed']} missed each: s"
    )
    return [
        at_most(name, result["seconds"], SYNC_SECONDS),
        Row("… CPU ms a client", shown(result["server_cpu_us_per_client"] / 1000)),
    ]


def slow_readers(result: dict[str, Any]) -> list[Row]:
    """Return the rows of `deaf`."""
    options, latency = result["options"], result["latency"]
    name = f"`deaf`, {options['deaf']} of {options['members']} never read, {options['seconds']:g} s: p99 ms (alone)"
    alone, beside = latency["alone"]["p99_ms"], latency["beside"]["p99_ms"]
    ratio = shown(beside / alone) if alone else ""
    return [
        Row(name, shown(beside), shown(alone), ratio, "≤ 1.2 times and 5 ms", result["p99_within_bound"]),
        at_most("… memory grown, MiB", result["memory_grown"] / 2**20, result["memory_bound"] / 2**20),
        at_most("… of them left after the deadline", result["deaf_left"], 0),
    ]


def start(result: dict[str, Any]) -> list[Row]:
    """Return the rows of `startup`."""
    options, reading = result["options"], result["reading"]
    name = f"`startup`, {options['stored']:,} messages: s until ready (with nothing stored)"
    nothing = result["ready_seconds_with_nothing"]
    ready = result["ready_seconds"]
    rows = [
        Row(
            name, shown(ready), shown(nothing), shown(ready / nothing), f"≤ {READY_SECONDS:g} s", ready <= READY_SECONDS
        ),
        at_most("… after a kill: s", result["ready_seconds_after_a_kill"], READY_SECONDS),
    ]
    for kind, one in reading.items():
        rows.append(
            Row(
                f"… {kind}: CPU µs (with {options['few']:,} stored)",
                shown(one["cpu_us_large"]),
                shown(one["cpu_us_small"]),
                shown(one["ratio"]),
                f"≤ {READING:g}",
                one["ratio"] <= READING,
            )
        )
    return rows


def commands(result: dict[str, Any]) -> list[Row]:
    """Return `cli`."""
    cpu = dict(result["cpu_ms"])
    python, trio = cpu.pop("python"), cpu.pop("trio")
    rows = [Row("`cli`: CPU ms of `python -c pass`; of `import trio`", f"{shown(python)}; {shown(trio)}")]
    for name, took in cpu.items():
        met = took <= COMMAND_CPU_MS
        wanted = f"≤ {shown(COMMAND_CPU_MS)}"
        rows.append(
            Row(f"… `chatsrv {name}` (`import trio`)", shown(took), shown(trio), shown(took / trio), wanted, met)
        )
    return rows


def packets(result: dict[str, Any]) -> list[Row]:
    """Return the rows of `redpack`."""
    window = result["options"]["window"]
    rows: list[Row] = []
    for part, words in (("hot", "one hot packet after the other"), ("many", "many packets")):
        rows += [
            at_least(f"`redpack`, {words}, {window} in flight: opens/s", result[part]["opens_per_second"], OPENS),
            Row("… CPU µs an open", shown(result[part]["server_cpu_us_per_open"])),
            Row("… p99 ms", shown(result[part]["latency"]["p99_ms"])),
        ]
    burst = result["burst"]["latency"]
    return [*rows, Row(f"… {burst['samples']:,} at once: last answer, ms", shown(burst["max_ms"]))]


def day(result: dict[str, Any]) -> list[Row]:
    """Return the rows of `mixed`: what a command takes, by kind."""
    name = f"`mixed` over {result['transport']}, {result['options']['people']:,} people"
    rows = [Row(f"{name}: deeds/s", shown(result["deeds_per_second"]))]
    rows.append(Row("… CPU µs a deed", shown(result["server_cpu_us_per_deed"])))
    rows += [Row(f"… {kind}: p99 ms", shown(latency["p99_ms"])) for kind, latency in result["latency"].items()]
    return rows


def growth(result: dict[str, Any]) -> list[Row]:
    """Return the rows of `growth`: exponents, the floor's beside them."""
    rows: list[Row] = []
    for across in ("members", "groups", "connections"):
        ours, theirs = result[across]["message"], result[across].get("message_floor")
        name = f"`growth` with {across}: exponent of the CPU of a message"
        rows.append(Row(name, shown(ours["exponent"]), shown(theirs["exponent"]) if theirs else ""))
        line = f"{shown(ours['at_zero'])} + {shown(ours['each'])} each"
        floor = f"{shown(theirs['at_zero'])} + {shown(theirs['each'])} each" if theirs else ""
        rows.append(Row("… the line through the points, µs", line, floor))
    memory = result["connections"]["memory"]
    rows.append(Row("… exponent of memory with connections", shown(memory["exponent"])))
    return rows


def page(result: dict[str, Any]) -> list[Row]:
    """Return the rows of `page`: every figure that the page has to reach."""
    size, start, scroll, flood = (result[part] for part in ("size", "start", "scroll", "flood"))
    switches, hidden = result["switches"], result["hidden"]
    messages = result["options"]["messages"]
    return [
        at_most("`page`: first script, KiB gzip", size["first_script_bytes"] / 1024, PAGE_SCRIPT_BYTES / 1024),
        at_most("… largest other script, KiB gzip", size["largest_chunk_bytes"] / 1024, PAGE_CHUNK_BYTES / 1024),
        at_most("… style, KiB gzip", size["style_bytes"] / 1024, PAGE_STYLE_BYTES / 1024),
        at_most("… navigation to the list, cold: ms", start["list_ms"], PAGE_LIST_MS),
        at_most("… the same at 50 ms and 10 Mbit/s: ms", start["list_slow_ms"], PAGE_LIST_SLOW_MS),
        at_most("… a chat drawn: ms", start["chat_drawn_ms"], PAGE_CHAT_MS),
        at_most("… said to seen, with the driver: ms", result["said_to_seen_ms"], PAGE_SEEN_MS),
        at_most(f"… {messages:,} messages scrolled: largest move, px", scroll["largest_move_px"], PAGE_MOVE_PX),
        at_most("… rows in the document", scroll["rows_at_most"], PAGE_ROWS),
        at_most("… heap after it, MiB", scroll["heap_bytes"] / 2**20, PAGE_HEAP_BYTES / 2**20),
        at_most(f"… {flood['messages']:,} messages at once: lost", flood["lost"], 0),
        at_most("… frame p99 ms", flood["frame_p99_ms"], PAGE_FRAME_MS),
        at_most("… 100 switches: heap grown, MiB", switches["heap_grown_bytes"] / 2**20, PAGE_GROWN_BYTES / 2**20),
        at_most("… nodes grown", switches["nodes_grown"], PAGE_GROWN_NODES),
        at_most(f"… {hidden['seconds']:g} s hidden: connections lost", hidden["reconnects"], 0),
    ]
