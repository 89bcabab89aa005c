"""Write fairness.json again from the library; run it after a deliberate change of the protocol and review the diff.

    python redpack/vectors/generate.py

The tests replay the file twice, with the library and with a verifier of their own written from README.md alone.
"""

from __future__ import annotations

import json
from pathlib import Path

from chatsrv_redpack import (
    Claim,
    Mode,
    Opened,
    PacketLimits,
    Stream,
    draw_key,
    draw_packet,
    expire,
    open_many,
    prepare,
    reveal_packet,
    send,
)

TARGET = Path(__file__).with_name("fairness.json")
COUNTING = bytes(range(32))
LIMITS = PacketLimits(max_average=2**43, max_shares=500)

# name, packet id, total, count, mode, receiver, client seed, how many open before it expires
CASES: list[tuple[str, int, int, int, Mode, int | None, bytes, int]] = [
    ("design: 1000 cents, 10 shares", 0, 1000, 10, Mode.LUCKY, None, bytes(32), 10),
    ("lucky, one share", 1, 1, 1, Mode.LUCKY, None, bytes(32), 1),
    ("lucky, one cent each: all tied", 2, 7, 7, Mode.LUCKY, None, bytes(32), 7),
    ("lucky, the published algorithm's bad case", 3, 100, 50, Mode.LUCKY, None, b"\xff" * 32, 50),
    ("lucky, expired after 4 of 10", 4, 1000, 10, Mode.LUCKY, None, COUNTING, 4),
    ("lucky, expired unopened", 5, 200, 2, Mode.LUCKY, None, COUNTING, 0),
    ("lucky, 500 shares", 2**63 - 1, 66_600, 500, Mode.LUCKY, None, COUNTING, 500),
    ("lucky, wide draws", 6, 3 * 2**43, 3, Mode.LUCKY, None, COUNTING, 3),
    ("shuffled", 7, 1000, 10, Mode.SHUFFLED, None, bytes(32), 10),
    ("shuffled, tied", 8, 12, 6, Mode.SHUFFLED, None, COUNTING, 6),
    ("shuffled, expired after 2 of 5", 9, 88, 5, Mode.SHUFFLED, None, COUNTING, 2),
    ("equal", 10, 888, 8, Mode.EQUAL, None, COUNTING, 8),
    ("equal, expired after 1 of 2", 11, 50, 2, Mode.EQUAL, None, COUNTING, 1),
    ("named", 12, 5200, 1, Mode.NAMED, 1000, COUNTING, 1),
    ("named, never opened", 13, 5200, 1, Mode.NAMED, 1000, COUNTING, 0),
]


def build() -> dict[str, list[dict[str, object]]]:
    """Answer the whole file as plain data."""
    cases: list[dict[str, object]] = []
    for name, packet_id, total, count, mode, receiver, client_seed, opened in CASES:
        prepared = prepare(
            packet_id=packet_id,
            sender_id=1,
            total=total,
            count=count,
            mode=mode,
            receiver_id=receiver,
            server_seed=COUNTING,
            now_ms=0,
            limits=LIMITS,
        )
        packet = send(prepared, client_seed=client_seed, transfer_id=1, now_ms=0, limits=LIMITS).packet
        openings = open_many(packet, [Claim(1000 + i, 2 + i) for i in range(opened)], 1)
        packet = openings.packet
        if packet.remaining_count:
            packet = expire(packet, transfer_id=9999, now_ms=LIMITS.packet_ms).packet
        records = [outcome.record for outcome in openings.outcomes if isinstance(outcome, Opened)]
        drawn = draw_packet(packet.key, mode, total, count)
        cases.append(
            {
                "name": name,
                "key": packet.key.hex(),
                "shares": list(drawn.shares),
                "draws_used": drawn.next_draw,
                "reveal": reveal_packet(packet, records).to_json(),
            }
        )
    return {"below": _below_cases(), "packets": cases}


def _below_cases() -> list[dict[str, object]]:
    """Return bounds from the trivial to those that reject nearly half of all draws."""
    key = draw_key(COUNTING, bytes(32), bytes(32))
    cases: list[dict[str, object]] = []
    for m in (1, 2, 3, 10, 1000, 2**32 + 1, 2**53, 2**63 + 1, 2**64):
        stream = Stream(key)
        answers = [str(stream.below(m)) for _ in range(6)]
        cases.append({"key": key.hex(), "m": str(m), "answers": answers, "draws_used": stream.next_draw})
    return cases


def render() -> str:
    """Answer the file's text, one case a line, so that a difference names the case."""
    sections = [
        f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, cases)) + "\n]" for name, cases in build().items()
    ]
    return "{" + ",\n".join(sections) + "}\n"


def files() -> dict[Path, str]:
    """Return what `make generate` writes."""
    return {TARGET: render()}


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
