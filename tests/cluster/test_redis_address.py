"""URLs of `--bus`, and that nothing that is said of one has its password."""

import pytest

from chatsrv.cluster.redis_address import RedisAddress, parse_address, place_of


@pytest.mark.parametrize(
    ("url", "address", "place"),
    [
        ("redis://bus1", RedisAddress("bus1", 6379, False, "", ""), "redis://bus1:6379"),
        ("redis://bus1:7000/0", RedisAddress("bus1", 7000, False, "", ""), "redis://bus1:7000"),
        ("rediss://bus1/", RedisAddress("bus1", 6379, True, "", ""), "rediss://bus1:6379"),
        ("redis://[::1]:7000", RedisAddress("::1", 7000, False, "", ""), "redis://[::1]:7000"),
        ("redis://:hunter2@bus1", RedisAddress("bus1", 6379, False, "default", "hunter2"), "redis://bus1:6379"),
        ("redis://node:hunter2@bus1", RedisAddress("bus1", 6379, False, "node", "hunter2"), "redis://bus1:6379"),
        ("redis://n%40de:%2Fhunter2%3F@bus1", RedisAddress("bus1", 6379, False, "n@de", "/hunter2?"), "redis://bus1:6379"),
        ("redis://node@bus1", RedisAddress("bus1", 6379, False, "node", ""), "redis://bus1:6379"),
    ],
)  # fmt: skip
def test_urls_that_are_read(url: str, address: RedisAddress, place: str) -> None:
    assert parse_address(url) == address
    assert str(parse_address(url)) == place
    assert "hunter2" not in repr(parse_address(url))


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis:bus1",
        "http://:hunter2@bus1",
        "redis://:hunter2@bus1:port",
        "redis://:hunter2@bus1:99999",
        "redis://:hunter2/x@bus1",
        "redis://:hunter2#x@bus1",
        "redis://:hunter2?x@bus1",
        "redis://:hunter2@bus1/name",
        "redis://:x@bus1?password=hunter2",
        "redis://:x@bus1/0?password=hunter2",
        "redis://:x@bus1#hunter2",
        "redis://:hunter2@[::1",
    ],
)
def test_urls_that_are_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(redis|http)") as refused:
        parse_address(url)
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in place_of(url)
    assert refused.value.__cause__ is None
