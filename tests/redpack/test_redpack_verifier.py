"""The verifier accepts what was honest and names each lie, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redpack.test_redpack_reveal import played

from chatsrv_redpack.fairness import draw_key
from chatsrv_redpack.limits import Mode
from chatsrv_redpack.packet import PacketState
from chatsrv_redpack.reveal import Revealed, Taken, reveal_packet
from chatsrv_redpack.verifier import check_packet, verify

HONEST = reveal_packet(*played(10))
EXPIRED = reveal_packet(*played(4))
NAMED = reveal_packet(*played(1, 500, 1, Mode.NAMED, 100))
FLIPPED = b"\1" + bytes(31)


def codes(revealed: Revealed, **seen: Any) -> set[str]:
    return {problem.code for problem in verify(revealed, **seen).problems}


def changed(revealed: Revealed, place: int, **change: int) -> Revealed:
    taken = list(revealed.taken)
    taken[place] = replace(taken[place], **change)
    return replace(revealed, taken=tuple(taken))


@pytest.mark.parametrize("mode", [Mode.LUCKY, Mode.SHUFFLED, Mode.EQUAL])
@pytest.mark.parametrize("opened", [0, 1, 9, 10])
def test_an_honest_packet_passes(mode: Mode, opened: int) -> None:
    packet, records = played(opened, mode=mode)
    revealed = reveal_packet(packet, records)
    verdict = verify(revealed, seen_commitment=packet.commitment, seen_client_seed=packet.client_seed)
    assert verdict.ok
    assert verdict.luckiest == revealed.luckiest
    assert sum(verdict.shares) == 1000
    assert check_packet(packet, records) == ()
    assert verify(NAMED).ok


def test_each_lie_is_named() -> None:
    assert codes(changed(HONEST, 2, cents=HONEST.taken[2].cents + 1)) == {"share"}
    assert codes(changed(HONEST, 2, user_id=100)) == {"user_twice"}
    assert codes(changed(HONEST, 2, number=3)) == {"number"}
    assert codes(replace(HONEST, luckiest=None)) == {"luckiest"}
    assert codes(replace(HONEST, luckiest=(HONEST.luckiest or 0) - 1 if HONEST.luckiest else 1)) == {"luckiest"}
    assert codes(replace(HONEST, commitment=FLIPPED)) == {"commitment"}
    assert codes(replace(EXPIRED, refunded_cents=EXPIRED.refunded_cents - 1)) == {"refund"}
    assert codes(replace(EXPIRED, luckiest=0)) == {"luckiest"}
    assert codes(changed(NAMED, 0, user_id=101)) == {"receiver"}
    assert codes(HONEST, seen_commitment=FLIPPED) == {"commitment"}
    assert codes(HONEST, seen_client_seed=FLIPPED) == {"client_seed"}
    too_many = verify(replace(HONEST, taken=(*HONEST.taken, Taken(10, 5, 1)))).problems
    assert ("count", "shares") in {(problem.code, problem.subject) for problem in too_many}
    swapped = (HONEST.taken[1], HONEST.taken[0], *HONEST.taken[2:])
    assert codes(replace(HONEST, taken=swapped)) == {"number"}
    assert codes(replace(HONEST, taken=HONEST.taken[:9])) == {"refund", "luckiest"}


@given(st.sampled_from(["server_seed", "client_seed"]), st.integers(0, 255))
def test_one_flipped_bit_of_a_seed_is_found(field: str, bit: int) -> None:
    value = int.from_bytes(getattr(HONEST, field), "big") ^ (1 << bit)
    lie = replace(HONEST, **{field: value.to_bytes(32, "big")})
    found = codes(lie)
    assert "share" in found
    assert ("commitment" in found) == (field == "server_seed")


def test_another_mode_or_receiver_breaks_the_commitment() -> None:
    assert "commitment" in codes(replace(HONEST, mode=Mode.SHUFFLED))
    assert "commitment" in codes(replace(HONEST, mode=Mode.EQUAL))
    assert "commitment" in codes(replace(NAMED, receiver_id=101))
    assert "commitment" in codes(replace(NAMED, mode=Mode.LUCKY, receiver_id=None))
    assert "commitment" in codes(replace(HONEST, packet_id=1))
    assert "commitment" in codes(replace(HONEST, total=1010))


def test_damage_to_a_stored_packet_is_named() -> None:
    packet, records = played(4)
    shuffled, drawn = played(4, mode=Mode.SHUFFLED)

    def found(changed_packet: Any, changed_records: Any) -> set[str]:
        problems = check_packet(changed_packet, changed_records)
        assert all(problem.subject.startswith(f"packet {packet.packet_id}") for problem in problems)
        assert all(len(problem.message.split()) > 3 for problem in problems)
        return {problem.code for problem in problems}

    assert found(replace(packet, next_draw=packet.next_draw + 1), records) == {"next_draw"}
    assert found(replace(shuffled, next_draw=0), drawn) == {"next_draw"}
    assert found(replace(packet, key=FLIPPED), records) == {"key"}
    assert found(replace(packet, refunded_cents=packet.refunded_cents + 1), records) == {"remaining"}
    alive = replace(packet, state=PacketState.LIVE, remaining_cents=packet.refunded_cents, refunded_cents=0)
    assert found(alive, records) == set()
    assert found(replace(alive, remaining_cents=alive.remaining_cents - 1), records) == {"remaining"}
    assert found(packet, records[:3]) == {"count"}
    assert found(packet, [replace(records[0], cents=records[0].cents + 1), *records[1:]]) == {"share"}
    assert found(packet, [replace(records[0], user_id=records[1].user_id), *records[1:]]) == {"user_twice"}
    assert found(packet, [replace(records[0], packet_id=1), *records[1:]]) == {"record"}
    assert found(packet, [*records[:3], replace(records[3], opened_ms=packet.expires_ms)]) == {"record"}
    assert found(packet, [replace(records[0], opened_ms=packet.sent_ms), *records[1:]]) == set()
    assert found(packet, [*records[:3], replace(records[3], number=5)]) == {"number"}
    assert found(replace(shuffled, shares=bytes(80)), drawn) == {"pregenerated"}
    other = replace(packet, client_seed=FLIPPED)
    other = replace(other, key=draw_key(other.server_seed, other.commitment, FLIPPED))
    assert "share" in found(other, records)
