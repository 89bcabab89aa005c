"""Any bytes, before and after the login, on whole connections: the targets of tests/fuzz/ with Hypothesis."""

import random

import hypothesis.strategies as st
import trio
import trio.testing
from fuzz.targets import Town, decode_anything, in_town, seeds
from hypothesis import given, settings

from chatsrv_protocol import limits

SEEDS = list(seeds())


def changed(seed: bytes, chance: random.Random) -> bytes:
    """A seed with bytes flipped, cut out, doubled, or followed by another."""
    data = bytearray(seed)
    for _ in range(chance.randint(0, 4)):
        if not data:
            break
        place = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[place] = chance.randrange(256)
            case 1:
                del data[place : place + chance.randint(1, 4)]
            case 2:
                data[place:place] = data[place : place + chance.randint(1, 16)]
            case _:
                data += chance.choice(SEEDS)[1:]
    return bytes(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.builds(changed, st.sampled_from(SEEDS), st.randoms(use_true_random=False)))
def test_any_bytes_are_messages_or_a_typed_error(data: bytes) -> None:
    decode_anything(data)


def test_any_connection_hurts_nobody_else() -> None:
    """1,500 connections of changed vectors and of noise, half of them logged in, on one server."""
    chance = random.Random(7)

    async def storm(town: Town) -> None:
        for number in range(1500):
            if number % 5 == 4:
                data = chance.randbytes(chance.choice([1, 10, 100, limits.MAX_FRAME_BEFORE_LOGIN]))
            else:
                data = changed(chance.choice(SEEDS), chance)
            await town.session(bytes((chance.randrange(256),)) + data[1:])
        assert town.runs >= 1500

    trio.run(in_town, storm, clock=trio.testing.MockClock(autojump_threshold=0))
