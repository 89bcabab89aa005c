"""`chatsrv serve` as a process: its lines, its signals, its settings, and what keeps it from starting."""

import inspect
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import cast

import attrs
import pytest
import trio
from support.cli_kit import CHATSRV, Shell, folder_mode, listening, serving, signals_kept, stop
from support.server_kit import until

from chatsrv.app import Server
from chatsrv.cli.commands.serve import Stopping, make_serve
from chatsrv.config import Config


def test_it_says_where_it_listens_and_stops_gracefully(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--ws", "127.0.0.1:0") as (process, urls):
        assert [url.split(":")[0] for url in urls] == ["tcp", "ws"]
        assert folder_mode(tmp_path / "data") == 0o700
        assert folder_mode(tmp_path / "data" / "operator.sock") == 0o600
        assert stop(process) == 0
    assert not (tmp_path / "data" / "operator.sock").exists()


def test_control_c_stops_it_gracefully_too(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as (process, _):
        assert stop(process, signal.SIGINT) == 0


def test_signals_while_it_stops_do_not_change_its_exit_code(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as (process, _):
        for _ in range(10):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.02)
            if process.poll() is not None:
                break
        assert process.wait(120) in (0, 1)


@attrs.define
class SlowServer:
    """Stops when it is told to, and takes its time."""

    told: int = 0

    @property
    def services(self) -> "SlowServer":
        return self

    @property
    def stopping(self) -> "SlowServer":
        return self

    def is_set(self) -> bool:
        return self.told > 0

    def stop(self) -> None:
        self.told += 1


async def test_the_first_signal_asks_and_the_second_ends() -> None:
    stopping, server = Stopping(), SlowServer()
    with signals_kept():
        async with trio.open_nursery() as nursery:
            await nursery.start(stopping.watch)
            stopping.server = cast("Server", server)
            with stopping.scope:
                os.kill(os.getpid(), signal.SIGTERM)
                await until(lambda: server.told == 1)
                assert not stopping.at_once
                os.kill(os.getpid(), signal.SIGINT)
                await trio.sleep_forever()
            assert (server.told, stopping.at_once) == (1, True)
            nursery.cancel_scope.cancel()


async def test_a_signal_before_it_is_ready_ends_it() -> None:
    stopping = Stopping()
    with signals_kept():
        async with trio.open_nursery() as nursery:
            await nursery.start(stopping.watch)
            with stopping.scope:
                os.kill(os.getpid(), signal.SIGTERM)
                await trio.sleep_forever()
            nursery.cancel_scope.cancel()
    assert stopping.at_once


def test_every_setting_that_is_no_secret_has_a_flag_of_its_name() -> None:
    flags = set(inspect.signature(make_serve()).parameters) - {"config"}
    assert flags == {field.name for field in attrs.fields(Config) if field.repr}
    assert set(inspect.signature(make_serve(with_settings=False)).parameters) == {"config"}


def test_file_environment_and_flag_set_the_same_things(tmp_path: Path) -> None:
    file = tmp_path / "chatsrv.toml"
    file.write_text('ws = "127.0.0.1:0"\nlog_level = "error"\npassword_time = 1\n')
    shell = Shell(tmp_path)
    process = shell.start("serve", "--config", str(file), "--data", str(tmp_path / "d"), CHATSRV_TCP="127.0.0.1:0")
    try:
        assert [url.split(":")[0] for url in listening(process, 2)] == ["tcp", "ws"]
    finally:
        assert stop(process) == 0


def test_without_a_folder_it_uses_the_users_own(tmp_path: Path) -> None:
    process = Shell(tmp_path).start("serve", "--tcp", "127.0.0.1:0")
    listening(process, 1)
    assert stop(process) == 0
    assert (tmp_path / ".local/share/chatsrv/chat.sqlite3").exists()


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (("--tcp", "7000"), "write HOST:PORT", 2),
        (("--tls", "127.0.0.1:0"), "need a certificate", 2),
        (("--config", "/nowhere.toml"), "cannot be read", 2),
        (("--heartbeat", "0"), "out of its bounds", 2),
        (("--data", "/dev/null/here"), "not a folder", 1),
        (("--durability", "maybe"), "out of its bounds", 2),
        (("--tls", "127.0.0.1:0", "--tls-cert", "/no", "--tls-key", "/no"), "cannot be used", 1),
    ],
)
def test_a_bad_setting_gets_a_sentence(tmp_path: Path, arguments: tuple[str, ...], says: str, code: int) -> None:
    done = Shell(tmp_path).call("serve", "--data", str(tmp_path / "data"), *arguments, code=code)
    assert says in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_port_or_a_folder_in_use_gets_a_sentence(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as (_, (url,)):
        address = url.removeprefix("tcp://")
        shell = Shell(tmp_path)
        taken = shell.call("serve", "--data", str(tmp_path / "other"), "--tcp", address, code=1)
        assert "cannot listen on" in taken.err
        held = shell.call("serve", "--data", str(tmp_path / "data"), "--tcp", "127.0.0.1:0", code=1)
        assert "in use by process" in held.err


def test_systemd_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0chatsrv-{tmp_path.name}")
        systemd.settimeout(120)
        address = f"@chatsrv-{tmp_path.name}"
        process = Shell(tmp_path).start("serve", "--tcp", "127.0.0.1:0", NOTIFY_SOCKET=address)
        assert systemd.recv(100) == b"READY=1"
        assert stop(process) == 0
        assert systemd.recv(100) == b"STOPPING=1"


def test_usage_errors_have_code_2(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    for wrong in (("serve", "--nonsense"), ("nonsense",), ("check",), ("serve", "--node", "many")):
        assert "Traceback" not in shell.call(*wrong, code=2).err


def test_help_is_quick() -> None:
    """115 ms here; without care (rich, trio, the protocol) it would be 500."""
    loaded = subprocess.run(
        [CHATSRV[0], "-X", "importtime", *CHATSRV[1:], "--help"], capture_output=True, text=True
    ).stderr
    modules = {line.rpartition("|")[2].strip() for line in loaded.splitlines() if line.startswith("import time:")}
    assert "chatsrv.cli.root" in modules
    # attrs (5 ms) is there: options of `group rules` are the fields of the rules' class.
    assert not modules & {"rich", "trio", "textual", "msgpack", "aiosqlite", "asyncio", "chatsrv.config"}
