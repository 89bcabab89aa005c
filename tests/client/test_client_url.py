"""Addresses as people write them."""

import pytest

from chatsrv.client import BadUrl, parse_url


@pytest.mark.parametrize(
    ("url", "host", "port", "resource"),
    [
        ("tcp://127.0.0.1:7000", "127.0.0.1", 7000, "/"),
        ("tls://chat.example:7001", "chat.example", 7001, "/"),
        ("tcp://[::1]:7000", "::1", 7000, "/"),
        ("ws://chat.example", "chat.example", 80, "/"),
        ("wss://chat.example/chat?a=1", "chat.example", 443, "/chat?a=1"),
    ],
)
def test_good_addresses(url: str, host: str, port: int, resource: str) -> None:
    target = parse_url(url)
    assert (target.host, target.port, target.resource) == (host, port, resource)
    assert parse_url(str(target)) == target


@pytest.mark.parametrize(
    "url",
    [
        "", "127.0.0.1:7000", "http://chat.example:80", "tcp://chat.example", "tcp://:7000", "tcp://host:70000",
        "tcp://host:port", "tcp://host:7000/path", "tcp://ann:secret@host:7000", "ws://host/#part", "tcp://[::1:7000",
        "tcp://a..b:7000", f"tcp://{'x' * 80}:7000", "ws://b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher..de",
    ],
)  # fmt: skip
def test_bad_addresses(url: str) -> None:
    with pytest.raises(BadUrl, match="://"):
        parse_url(url)
