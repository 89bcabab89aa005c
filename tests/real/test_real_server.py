"""Real server processes: SIGTERM and kill -9 under load, no descriptors left, two on a folder, a clock set back."""

import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from support.cli_kit import CHATSRV, environment
from support.real_kit import DEADLINE, KILLED, Process, Talker, check_acked, looked_over, needs, real_server
from support.server_kit import client_id, dialled

from chatsrv_protocol.common import Ping
from chatsrv_protocol.groups import MakeGroup


def descriptors(server: Process) -> int:
    """How many files and sockets a process has open."""
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


async def talk_until(server: Process, acks: int, end: int) -> tuple[bytes, int, list[Talker]]:
    """Five people talk; after so many acks the server gets a signal. Answers a token, the group and the talkers."""
    with trio.fail_after(DEADLINE):
        async with dialled(server.url) as ann:
            await ann.register("ann")
            assert ann.me is not None
            others = [dialled(server.url) for _ in range(4)]
            clients = [ann]
            for number, other in enumerate(others):
                client = await other.__aenter__()
                clients.append(await client.register(f"u{number}"))
            group_id = await ann.make_group("home", *clients[1:])
            talkers = [Talker(client, group_id) for client in clients]
            async with trio.open_nursery() as nursery:
                for number, talker in enumerate(talkers):
                    nursery.start_soon(talker.run, f"t{number}")
                while sum(len(talker.acked) for talker in talkers) < acks:
                    await trio.sleep(0.001)
                server.signal(end)
            for other in others:
                await other.__aexit__(None, None, None)
    return ann.me.token, group_id, talkers


@pytest.mark.parametrize(("end", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, KILLED)])
async def test_a_signal_under_load_loses_nothing_acked(end: int, code: int, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with real_server(data) as server:
        token, group_id, talkers = await talk_until(server, 1000, end)
        assert await server.ended() == code
    acked = {text: sent for talker in talkers for text, sent in talker.acked.items()}
    assert len(acked) >= 1000
    if end == signal.SIGTERM:
        assert {code for talker in talkers for code in talker.refused} <= {"server_stopping"}
        assert all(talker.client.over is None for talker in talkers), "each was told goodbye, not cut"
    assert looked_over(data)[0] == 0
    async with real_server(data) as server:
        await check_acked(server.url, token, group_id, acked)


@pytest.mark.parametrize(("call", "counted"), [("fdatasync,fsync", 40), ("pwrite64", 400)])
async def test_kill_9_in_the_middle_of_a_system_call_loses_nothing_acked(
    call: str, counted: int, tmp_path: Path
) -> None:
    """strace kills the server when it enters this call for the n-th time: in the middle of a commit, as no timer would."""
    strace = needs("strace", "kill -9 within a commit is not tested, only at moments that chance chooses")
    data = tmp_path / "data"
    # With a folder that exists, so that the count begins at the first commit and not at the schema.
    async with real_server(data) as server:
        server.signal(signal.SIGTERM)
        await server.ended()
    traced = (strace, "-f", "-qq", "-o", str(tmp_path / "trace"), "-e", f"trace={call}")
    inject = ("-e", f"inject={call}:signal=SIGKILL:when={counted}")
    acked: dict[str, object] = {}
    token, group_id = b"", 0
    try:
        async with real_server(data, under=(*traced, *inject)) as server:
            with trio.move_on_after(20):
                async with dialled(server.url) as ann:
                    await ann.register("ann")
                    assert ann.me is not None
                    token, group_id = ann.me.token, await ann.make_group()
                    talker = Talker(ann, group_id)
                    try:
                        await talker.run("t", 3000)
                    finally:
                        acked = talker.acked
            with trio.move_on_after(5):
                await server.ended()
            ended = server.process.poll()
    except AssertionError as error:
        if "no server came up" in str(error):
            pytest.skip(f"strace may trace nothing here: {error}")
        raise
    if ended is None:
        pytest.skip(f"the server made fewer than {counted} calls of {call}: the moment did not come")
    assert group_id, "the moment came before anything was acked"
    assert looked_over(data)[0] == 0
    async with real_server(data) as server:
        await check_acked(server.url, token, group_id, acked)


async def test_without_free_descriptors_nobody_is_hurt_and_accepting_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with real_server(data, limits={resource.RLIMIT_NOFILE: 64}) as server, dialled(server.url) as ann:
        await ann.register("ann")
        group_id = await ann.make_group()
        crowd = [await trio.open_tcp_stream("127.0.0.1", int(server.url.rpartition(":")[2])) for _ in range(100)]
        with trio.fail_after(DEADLINE):
            while descriptors(server) < 64:
                await trio.sleep(0.01)
            for number in range(20):
                await ann.say(group_id, str(number))
            assert len(await ann.texts(group_id)) == 20
            for stream in crowd:
                await stream.aclose()
            async with dialled(server.url) as bob:
                await bob.register("bob")
                await ann.add(group_id, bob)
                assert len(await bob.texts(group_id)) == 20
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
    assert looked_over(data)[0] == 0


async def test_two_servers_on_one_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with real_server(data) as server, dialled(server.url) as ann:
        await ann.register("ann")
        group_id = await ann.make_group()
        second = await trio.run_process(
            [*CHATSRV, "serve", "--data", str(data), "--tcp", "127.0.0.1:0"],
            capture_stderr=True,
            capture_stdout=True,
            check=False,
            env=environment(tmp_path),
        )
        assert second.returncode == 1
        assert f"in use by process {server.pid}" in second.stderr.decode()
        assert b"Traceback" not in second.stderr
        await ann.say(group_id, "not disturbed")
        code, said = looked_over(data)
        assert code == 1
        assert "in use" in said, "nor does check look at a folder that changes under it"
        server.signal(signal.SIGKILL)
        await server.ended()
    async with real_server(data) as server, dialled(server.url) as again:  # the lock of the dead is no lock
        await again.login("ann")
        assert await again.texts(group_id) == ["not disturbed"]


SET_BACK = """
import runpy, sys, time
real, by = time.time_ns, int(sys.argv[1]) * 1_000_000_000
time.time_ns = lambda: real() + by
sys.argv = ["chatsrv", *sys.argv[2:]]
runpy.run_module("chatsrv", run_name="__main__", alter_sys=True)
"""
"""The clock of a process, moved by some seconds: what date(1) would do to the whole machine."""


async def test_a_clock_set_back_between_two_lives_changes_no_order(tmp_path: Path) -> None:
    data, script = tmp_path / "data", tmp_path / "set_back.py"
    script.write_text(SET_BACK)
    ids: list[int] = []
    seqs: list[int] = []
    group_id = 0
    for life, jump in enumerate((0, -86_400, -90 * 86_400, 3_600, 0)):
        process = subprocess.Popen(
            [sys.executable, str(script), str(jump), "serve", "--data", str(data), "--tcp", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(tmp_path, CHATSRV_PASSWORD_TIME="1", CHATSRV_PASSWORD_MEMORY="8"),
        )
        with process, trio.fail_after(DEADLINE):
            try:
                assert process.stdout is not None
                line = await trio.to_thread.run_sync(process.stdout.readline)
                async with dialled(line.split()[1]) as ann:
                    await (ann.login if life else ann.register)("ann")
                    if not life:
                        group_id = await ann.make_group()
                    ids.append((await ann.ask(MakeGroup(client_id(ann.now_ms), f"life {life}", (), False))).group_id)
                    for number in range(3):
                        sent = await ann.say(group_id, f"{life}/{number}")
                        ids.append(sent.id)
                        seqs.append(sent.seq)
                    assert (await ann.texts(group_id))[-1] == f"{life}/2"
                process.send_signal(signal.SIGTERM)
                while process.poll() is None:
                    await trio.sleep(0.01)
            finally:
                process.kill()
    assert ids == sorted(set(ids))
    assert seqs == list(range(2, 17))
    assert looked_over(data)[0] == 0


async def test_a_peer_that_vanishes_in_the_middle_of_a_frame_is_forgotten(tmp_path: Path) -> None:
    async with real_server(tmp_path / "data") as server, dialled(server.url) as ann:
        await ann.register("ann")
        before = descriptors(server)
        for _ in range(50):
            async with dialled(server.url) as other:
                await other.hello()
                await other.stream.send_all(b"\0\0\1")
        with trio.fail_after(DEADLINE):
            while descriptors(server) > before:
                await ann.ask(Ping())
        assert not re.search("Traceback|a connection failed", server.said())
