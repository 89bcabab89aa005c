"""`chatsrv.media.probe.blurhash`: against the published implementation's answers, and at its edges."""

import pytest

from chatsrv.media.probe import blurhash


def gradient(width: int, height: int) -> bytes:
    return bytes(
        value
        for y in range(height)
        for x in range(width)
        for value in (x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x * 7 + y * 13) % 256)
    )


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (32, 24, "L$Hewc2nwyX8l~WBjpe;gIfdfSfm"),
        (5, 9, "LzIhZA3RJj=^uoRSWqn6f$fjfQfj"),
        (1, 1, "L00000fQfQfQfQfQfQfQfQfQfQfQ"),
    ],
)
def test_golden_answers_of_the_reference(width, height, expected):
    assert blurhash.encode(gradient(width, height), width, height) == expected
    assert blurhash.is_valid(expected)


def test_wrong_sizes_are_refused():
    for data, width, height in ((b"", 0, 0), (b"abc", 2, 1), (b"abcd", 1, 1)):
        with pytest.raises(ValueError):
            blurhash.encode(data, width, height)


def test_what_is_valid():
    assert not blurhash.is_valid("")
    assert not blurhash.is_valid("L" * 27)
    assert not blurhash.is_valid('"' * 28)
    assert blurhash.is_valid("0" * 28)
