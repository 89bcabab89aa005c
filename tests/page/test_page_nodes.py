"""The page over two nodes of which one is killed: an upload that one node began goes on at the other."""

import os
import random
import signal
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import attrs
import httpx
import pytest
from playwright.sync_api import Browser, expect
from support.media_kit import MEBI, moto_server
from support.page_kit import WAIT_MS, Town, begins, serve
from support.ports import is_listening
from support.postgres_kit import serving_postgres
from support.real_cluster_kit import CREATE
from support.redis_kit import serving_redis
from support.relay import Relay, address_of, relaying

from chatsrv.client import Client
from chatsrv_protocol.messages import Message

PIECE: Final = 4 * MEBI
SIZE: Final = 5 * PIECE + 17
CUT: Final = 3 * PIECE + MEBI
SETTINGS: Final = """
media_store = "s3"
media_s3_endpoint = "{endpoint}"
media_s3_bucket = "bucket"
media_s3_access_key = "a"
media_s3_secret_key = "b"
"""


@attrs.frozen
class Pair:
    """Two nodes with a bucket; the relay sends browsers to the first, and when that was killed to the second."""

    town: Town
    relay: Relay
    first: tuple[str, int]
    """Where the node that is killed takes HTTP."""


def kill_server(data: Path) -> None:
    """SIGKILL to the process whose folder this is."""
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        if str(data).encode() in command.read_bytes().split(b"\0"):
            os.kill(int(command.parent.name), signal.SIGKILL)


@contextmanager
def open_pair(browser: Browser, folder: Path) -> Generator[Pair]:
    with ExitStack() as stack:
        postgres = stack.enter_context(serving_postgres())
        postgres.execute(CREATE)
        redis = stack.enter_context(serving_redis(folder))
        endpoint = stack.enter_context(moto_server())
        httpx.put(f"{endpoint}/bucket").raise_for_status()
        settings = folder / "chatsrv.toml"
        settings.write_text(SETTINGS.format(endpoint=endpoint))
        shared = ("--config", str(settings), "--database", postgres.dsn("chat"), "--bus", redis.url)
        (first, _), (second, tcp) = (
            stack.enter_context(serve(folder / name, *shared, "--node-name", name)) for name in ("first", "second")
        )

        def kill_first() -> None:
            relay.target = address_of(second)
            kill_server(folder / "first")

        relay = stack.enter_context(relaying(address_of(first), (CUT,), kill_first))
        town = Town(browser, f"http://127.0.0.1:{relay.port}/", tcp)
        try:
            yield Pair(town, relay, address_of(first))
        finally:
            for person in town.people:
                person.page.context.close()


def test_an_upload_goes_on_at_another_node_when_its_own_was_killed(browser: Browser, tmp_path: Path):
    pytest.importorskip("moto")
    plan = tmp_path / "plan.bin"
    plan.write_bytes(random.Random(8).randbytes(SIZE))

    async def fetch(client: Client) -> bytes:
        (group,) = await client.groups.list()
        events, _ = await client.group(group.group_id).history()
        (media_id,) = (event.media.id for event in events if isinstance(event, Message) and event.media)
        got: list[bytes] = []
        await client.media.download(media_id, got.append)
        return b"".join(got)

    with open_pair(browser, tmp_path) as pair:
        ann = pair.town.person("ann")
        pair.town.group(ann, "Two nodes")
        ann.page.locator("input[type=file]").set_input_files(plan)
        ann.box.fill("over both")
        ann.box.press("Enter")
        ann.page.get_by_role("log").get_by_role("link", name=begins(plan.name)).wait_for(timeout=4 * WAIT_MS)
        expect(ann.page.get_by_role("progressbar")).to_have_count(0)
        assert pair.relay.breaks == 1
        assert not is_listening(pair.first[1])
        assert SIZE < pair.relay.sent < SIZE + 2 * PIECE, "no byte goes up twice but those of the piece that was cut"
        ann.say("from the other node")
        ann.stored("from the other node")
        assert pair.town.program("ann", fetch) == plan.read_bytes()
        ann.complaints.clear()  # of the node that died
        pair.town.close()
