"""The committed draw: vectors replayed by the library and by a stranger, and what each byte of the seeds decides."""

from __future__ import annotations

import hashlib
import hmac
import json
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatsrv_redpack import verify
from chatsrv_redpack.errors import Code, InvalidError
from chatsrv_redpack.fairness import Stream, commitment, draw_key, draw_packet, luckiest_number
from chatsrv_redpack.limits import Mode
from chatsrv_redpack.reveal import parse_reveal

FOLDER = Path(__file__).parent.parent.parent / "redpack" / "vectors"
VECTORS: dict[str, list[dict[str, Any]]] = json.loads((FOLDER / "fairness.json").read_text(encoding="utf-8"))
COUNTING = bytes(range(32))


def test_the_vector_of_the_design() -> None:
    committed = commitment(0, 1000, 10, COUNTING)
    assert committed.hex() == "958c815376bfccb6484be325302cd16038f6b961d077f72dc6357506aabfe2e0"
    drawn = draw_packet(draw_key(COUNTING, committed, bytes(32)), Mode.LUCKY, 1000, 10)
    assert drawn.shares == (115, 73, 116, 169, 72, 171, 80, 38, 163, 3)


@pytest.mark.parametrize("case", VECTORS["packets"], ids=lambda case: case["name"])
def test_the_library_replays_the_vectors(case: dict[str, Any]) -> None:
    revealed = parse_reveal(case["reveal"])
    assert revealed.to_json() == case["reveal"]
    verdict = verify(revealed, seen_commitment=bytes.fromhex(case["reveal"]["commitment"]))
    assert verdict.problems == ()
    assert list(verdict.shares) == case["shares"]
    key = draw_key(revealed.server_seed, verdict.commitment, revealed.client_seed)
    assert key.hex() == case["key"]
    assert draw_packet(key, revealed.mode, revealed.total, revealed.count).next_draw == case["draws_used"]


@pytest.mark.parametrize("case", VECTORS["packets"], ids=lambda case: case["name"])
def test_a_stranger_replays_the_vectors(case: dict[str, Any]) -> None:
    """Written from redpack/README.md, with nothing of the library: what a verifier in another language does."""
    told = case["reveal"]
    seed, client = bytes.fromhex(told["server_seed"]), bytes.fromhex(told["client_seed"])
    total, count, mode = told["total_cents"], told["count"], told["mode"]
    message = int(told["packet_id"]).to_bytes(16, "big") + total.to_bytes(8, "big") + count.to_bytes(4, "big")
    if mode == "lucky":
        message = b"rp-commit-v1\0" + message + seed
    else:
        number = {"shuffled": 2, "equal": 3, "named": 4}[mode]
        receiver = int(told["receiver_id"] or 0)
        message = b"rp-commit-v2\0" + message + bytes([number]) + receiver.to_bytes(16, "big") + seed
    committed = hashlib.sha256(message).digest()
    assert committed.hex() == told["commitment"]
    key = hmac.new(seed, b"rp-key-v1\0" + committed + client, hashlib.sha256).digest()
    used = 0

    def below(m: int) -> int:
        nonlocal used
        while True:
            x = int(hmac.new(key, used.to_bytes(8, "big"), hashlib.sha256).hexdigest()[:16], 16)
            used += 1
            if x < 2**64 // m * m:
                return x % m

    if mode == "lucky" or mode == "shuffled":
        shares, left = [], total
        for k in range(count, 1, -1):
            wide = below(k) < 2 * (left - k) % k
            shares.append(1 + below(2 * (left - k) // k + 1 + wide))
            left -= shares[-1]
        shares.append(left)
    else:
        shares = [total // count] * count
    if mode == "shuffled":
        for i in range(count - 1, 0, -1):
            j = below(i + 1)
            shares[i], shares[j] = shares[j], shares[i]
    assert (shares, used) == (case["shares"], case["draws_used"])
    opened = told["opened"]
    assert [share["cents"] for share in opened] == shares[: len(opened)]
    assert told["refunded_cents"] == sum(shares[len(opened) :])
    if len(opened) < count or mode in ("equal", "named"):
        assert told["luckiest"] is None
    else:
        tied = [i for i, share in enumerate(shares) if share == max(shares)]
        assert told["luckiest"] == (tied[below(len(tied))] if len(tied) > 1 else tied[0])


def test_the_vectors_are_what_their_script_writes() -> None:
    written = runpy.run_path(str(FOLDER / "generate.py"))["render"]()
    assert written == (FOLDER / "fairness.json").read_text(encoding="utf-8")
    modes = Counter(case["reveal"]["mode"] for case in VECTORS["packets"])
    assert set(modes) == set(Mode)


@pytest.mark.parametrize("case", VECTORS["below"], ids=lambda case: case["m"])
def test_below_replays_the_vectors(case: dict[str, Any]) -> None:
    stream = Stream(bytes.fromhex(case["key"]))
    assert [str(stream.below(int(case["m"]))) for _ in case["answers"]] == case["answers"]
    assert stream.next_draw == case["draws_used"]


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**40))
def test_a_draw_is_hmac_sha256(key: bytes, number: int) -> None:
    digest = hmac.digest(key, number.to_bytes(8, "big"), "sha256")
    assert Stream(key, number).draw() == int.from_bytes(digest[:8], "big")


def test_a_rejected_draw_uses_up_its_number() -> None:
    """m = 2**63 + 1 accepts a draw below m only, so about half are rejected."""
    key, m = draw_key(COUNTING, bytes(32), bytes(32)), 2**63 + 1
    raw, stream = Stream(key), Stream(key)
    kept = [x for x in (raw.draw() for _ in range(40)) if x < m]
    assert 5 < len(kept) < 35
    assert [stream.below(m) for _ in kept] == kept
    assert stream.next_draw <= raw.next_draw


def test_the_first_uneven_draw_is_rejected_and_the_last_even_one_kept() -> None:
    class Scripted(Stream):
        """Draws that no key gives in a lifetime; 2**64 = 1 mod 3, so only the very last value is uneven."""

        script = iter([2**64 - 1, 2**64 - 2, 2**64 - 1, 0])

        def draw(self) -> int:
            return next(self.script)

    stream = Scripted(bytes(32))
    assert [stream.below(3), stream.below(3)] == [2, 0]


@given(st.integers(1, 2**64), st.integers(0, 2**40), st.binary(min_size=32, max_size=32))
def test_below_stays_below_and_resumes_anywhere(m: int, start: int, key: bytes) -> None:
    stream = Stream(key, start)
    first = stream.below(m)
    assert 0 <= first < m
    resumed = Stream(key, stream.next_draw)
    assert resumed.below(m) == stream.below(m)
    assert resumed.next_draw == stream.next_draw


@pytest.mark.parametrize("m", [0, -1, 2**64 + 1, True, 2.0])
def test_below_refuses_other_bounds(m: int) -> None:
    with pytest.raises(InvalidError):
        Stream(bytes(32)).below(m)


def test_the_stream_is_even() -> None:
    """Chi-square over 10 answers of 50,000 draws: 9 degrees of freedom, 27.9 is passed once in a thousand keys."""
    stream = Stream(draw_key(COUNTING, bytes(32), COUNTING))
    times = Counter(stream.below(10) for _ in range(50_000))
    assert sum((times[answer] - 5_000) ** 2 / 5_000 for answer in range(10)) < 27.9


def test_real_packets_over_many_client_seeds_have_the_right_mean() -> None:
    """Whatever seeds the clients send: here they count up, as the laziest client would."""
    packets, sums = 3_000, [0] * 10
    committed = commitment(1, 1000, 10, COUNTING)
    for number in range(packets):
        key = draw_key(COUNTING, committed, number.to_bytes(32, "big"))
        for position, share in enumerate(draw_packet(key, Mode.LUCKY, 1000, 10).shares):
            sums[position] += share
    # 76.4 / sqrt(3000) = 1.4 is the largest standard error; four of them are allowed.
    assert all(abs(total / packets - 100) < 5.6 for total in sums)


def test_the_commitment_binds_every_field() -> None:
    variants = [
        commitment(1, 100, 1, COUNTING),
        commitment(2, 100, 1, COUNTING),
        commitment(1, 101, 1, COUNTING),
        commitment(1, 100, 2, COUNTING),
        commitment(1, 100, 1, bytes(32)),
        commitment(1, 100, 1, COUNTING, Mode.SHUFFLED),
        commitment(1, 100, 1, COUNTING, Mode.EQUAL),
        commitment(1, 100, 1, COUNTING, Mode.NAMED, 7),
        commitment(1, 100, 1, COUNTING, Mode.NAMED, 8),
    ]
    assert len(set(variants)) == len(variants)
    assert all(len(variant) == 32 for variant in variants)


def test_the_key_depends_on_all_three() -> None:
    one = bytes(31) + b"\1"
    keys = {draw_key(bytes(32), bytes(32), bytes(32)), draw_key(one, bytes(32), bytes(32))}
    keys |= {draw_key(bytes(32), one, bytes(32)), draw_key(bytes(32), bytes(32), one)}
    assert len(keys) == 4


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33), "0" * 32, None])
def test_seeds_are_32_bytes(wrong: Any) -> None:
    for call in (
        lambda: commitment(1, 10, 1, wrong),
        lambda: draw_key(wrong, bytes(32), bytes(32)),
        lambda: draw_key(bytes(32), wrong, bytes(32)),
        lambda: draw_key(bytes(32), bytes(32), wrong),
        lambda: Stream(wrong),
    ):
        with pytest.raises(InvalidError) as caught:
            call()
        assert caught.value.code is Code.BAD_SEED


def test_ids_and_draw_numbers_are_bounded() -> None:
    for packet_id in (-1, 2**63, True):
        with pytest.raises(InvalidError):
            commitment(packet_id, 10, 1, COUNTING)
    for number in (-1, 2**63, True):
        with pytest.raises(InvalidError):
            Stream(bytes(32), number)
    last = Stream(bytes(32), 2**63 - 1)
    last.draw()
    assert last.next_draw == 2**63


def test_modes_without_luck_name_nobody() -> None:
    assert luckiest_number(Mode.EQUAL, (5, 5), bytes(32), 0) is None
    assert luckiest_number(Mode.NAMED, (5,), bytes(32), 0) is None
    assert luckiest_number(Mode.SHUFFLED, (4, 6), bytes(32), 0) == 1
    winners = Counter(luckiest_number(Mode.LUCKY, (5, 5), bytes(32), draw) for draw in range(400))
    assert 140 < winners[0] < 260, "a tie is even"
