"""Real damage: a truncated file, flipped bytes, an fsync that fails, a disk that fills, each under a server process."""

import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
import trio
from storage.test_storage_disk import BROKEN_FSYNC
from support.cli_kit import CHATSRV, environment
from support.money_kit import make_people
from support.real_kit import DEADLINE, Talker, check_acked, fill_disk, looked_over, needs, real_server, small_disk
from support.server_kit import RefusedError, dialled

from chatsrv.http.ops_app import READ_ONLY
from chatsrv_protocol.messages import Send
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.interface import open_storage

NEEDLE = "a needle of which nobody has another"
CENTS = 0x01234567


async def filled(data: Path, texts: int = 40) -> None:
    """A folder with a conversation and books in it, left by a server that was stopped."""
    async with real_server(data) as server, dialled(server.url) as ann:
        await ann.register("ann")
        group_id = await ann.make_group()
        for number in range(texts):
            await ann.say(group_id, f"{number} " + "x" * 500)
        await ann.say(group_id, NEEDLE)
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
    async with open_storage(data, inline=True) as storage:
        ids = Snowflake(1)
        (rich,) = await storage.write(make_people(["rich"], CENTS, 1_800_000_000_000, ids))
        assert rich.user_id


def flip(data: Path, needle: bytes) -> int:
    """Change one bit in every place where these bytes stand in the database; answers how many there were."""
    file = data / "chat.sqlite3"
    stored = file.read_bytes()
    other = needle[:-1] + bytes((needle[-1] ^ 1,))
    file.write_bytes(stored.replace(needle, other))
    return stored.count(needle)


async def test_a_flipped_bit_in_a_message_is_found(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await filled(data)
    assert looked_over(data)[0] == 0
    assert flip(data, NEEDLE.encode()) >= 1
    code, said = looked_over(data)
    assert code == 1
    assert "was changed on the disk: its checksum is wrong" in said


async def test_a_flipped_bit_in_the_books_is_found_and_keeps_a_server_from_starting(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await filled(data, 1)
    assert looked_over(data, "audit")[0] == 0
    assert flip(data, CENTS.to_bytes(4, "big")) >= 2, "a transfer and the balance it made"
    code, said = looked_over(data, "audit")
    assert code == 1
    assert "changed on the disk" in said
    assert "ledger" in said
    with pytest.raises(AssertionError, match="The books do not balance"):
        async with real_server(data):
            raise RuntimeError("it started")


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
async def test_a_truncated_database_is_found_and_neither_served_nor_changed(part: float, tmp_path: Path) -> None:
    data = tmp_path / "data"
    await filled(data)
    file = data / "chat.sqlite3"
    left = int(file.stat().st_size * part) or 50
    os.truncate(file, left)
    before = file.read_bytes()
    code, said = looked_over(data)
    assert code == 1
    assert said.strip()
    with pytest.raises(AssertionError, match="no server came up") as caught:
        async with real_server(data):
            raise RuntimeError("it started")
    assert "Traceback" not in str(caught.value)
    assert file.read_bytes() == before


async def test_a_failed_fsync_stops_the_server_which_has_acked_nothing_false(tmp_path: Path) -> None:
    compiler = needs("cc", "an fsync that fails under a whole server is not tested")
    source, library, flag = tmp_path / "broken.c", tmp_path / "broken.so", tmp_path / "fail"
    source.write_text(BROKEN_FSYNC)
    await trio.run_process([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"])
    data = tmp_path / "data"
    extra = {"LD_PRELOAD": str(library), "FSYNC_FLAG": str(flag)}
    async with real_server(data, extra=extra) as server:
        with trio.fail_after(DEADLINE):
            async with dialled(server.url) as ann:
                await ann.register("ann")
                assert ann.me is not None
                group_id, talker = await ann.make_group(), None
                talker = Talker(ann, group_id)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(talker.run, "t")
                    while len(talker.acked) < 200:
                        await trio.sleep(0.001)
                    flag.touch()
        assert await server.ended() not in (0, None)
        assert not flag.exists()
    assert set(talker.refused) <= {"server_stopping"}
    assert looked_over(data)[0] == 0
    async with real_server(data) as server:
        await check_acked(server.url, ann.me.token, group_id, talker.acked)


async def test_a_disk_that_fills_refuses_writes_serves_reads_and_recovers(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m", "a server on a disk that fills is tested by a simulated one only") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1_500_000))
        data = disk / "data"
        acked: list[str] = []
        async with real_server(data) as server:
            with trio.fail_after(DEADLINE):
                async with dialled(server.url) as ann:
                    await ann.register("ann")
                    group_id = await ann.make_group()
                    refused = Send(ann.new_id(), group_id, "0 " + "x" * 4000)
                    in_a_row = 0  # a checkpoint, which a refusal asks for, may find room once more
                    while in_a_row < 4:
                        try:
                            await ann.ask(refused)
                        except RefusedError as error:
                            in_a_row += error.code == "storage_full"
                        else:
                            in_a_row = 0
                            acked.append(refused.text)
                            refused = Send(ann.new_id(), group_id, f"{len(acked)} " + "x" * 4000)
                    assert acked
                    assert await ann.texts(group_id) == acked
                    ballast.unlink()
                    await ann.ask(refused)
                    acked.append(refused.text)
                    for number in range(20):
                        await ann.say(group_id, f"after {number}")
                    assert (await ann.texts(group_id))[: len(acked)] == acked
            server.signal(signal.SIGTERM)
            assert await server.ended() == 0
        assert looked_over(data)[0] == 0


async def test_a_start_on_a_full_disk_after_a_crash_serves_reads_and_recovers(tmp_path: Path) -> None:
    with small_disk(
        tmp_path / "disk", "4m", "a start on a full disk is tested by a simulated one only"
    ) as disk, trio.fail_after(DEADLINE):  # fmt: skip
        data, ballast = disk / "data", disk / "ballast"
        async with real_server(data) as server:
            async with dialled(server.url) as ann:
                await ann.register("ann")
                assert ann.me is not None
                group_id, token = await ann.make_group(), ann.me.token
                await ann.say(group_id, "before")
            server.signal(signal.SIGKILL)
            await server.ended()
        fill_disk(ballast)
        async with real_server(data, "--ops", "127.0.0.1:0") as server:
            ops = server.urls[-1]
            async with (
                dialled(server.url) as ann,
                httpx.AsyncClient(base_url=ops.replace("ops", "http"), timeout=60) as health,
            ):
                await ann.resume(token)
                assert await ann.texts(group_id) == ["before"]
                assert await ann.refused(Send(ann.new_id(), group_id, "while full")) == "storage_full"
                ready = await health.get("/readyz")
                assert (ready.status_code, ready.text) == (200, READ_ONLY)
                assert "chatsrv_storage_full 1" in (await health.get("/metrics")).text
                ballast.unlink()
                while (await health.get("/readyz")).text != "ok\n":
                    await trio.sleep(0.1)
                assert "chatsrv_storage_full 0" in (await health.get("/metrics")).text
                await ann.say(group_id, "after")
                assert await ann.texts(group_id) == ["before", "after"]
            said = server.said()
            assert said.count("the disk is full") == 1, said
            assert "Traceback" not in said
            server.signal(signal.SIGKILL)
            await server.ended()
        # As after a power cut that took the index of the WAL: SQLite needs 32 KiB for it before it reads anything.
        (data / "chat.sqlite3-shm").unlink()
        fill_disk(ballast)
        assert "is full" in refused_start(data)
        assert "is full" in refused_start(disk / "new")
        ballast.unlink()
        async with real_server(data) as server, dialled(server.url) as ann:
            await ann.resume(token)
            assert await ann.texts(group_id) == ["before", "after"]
            assert [event.seq for event in await ann.history(group_id)] == [1, 2, 3]


def refused_start(data: Path) -> str:
    """What a server says that does not come up. It must not send its operator looking for rights."""
    done = subprocess.run(
        [*CHATSRV, "serve", "--data", str(data), "--tcp", "127.0.0.1:0"],
        capture_output=True, text=True, env=environment(data.parent.parent), timeout=DEADLINE,
    )  # fmt: skip
    assert done.returncode != 0
    assert "rights" not in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
