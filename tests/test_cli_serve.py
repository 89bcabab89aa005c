"""`chatsrv serve` as a process: its lines, its signals, its settings, and what keeps it from starting."""

import signal
import socket
import subprocess
import time
from pathlib import Path

import attrs
import pytest
from cli_kit import CHATSRV, Shell, folder_mode, listening, serving, stop

from chatsrv.cli.settings import SECRET, SETTINGS
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


def test_the_second_signal_stops_it_at_once(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--stop-timeout", "60") as (process, (url,)), _deaf_client(url):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) in (0, 1)


def _deaf_client(url: str) -> socket.socket:
    host, port = url.removeprefix("tcp://").split(":")
    return socket.create_connection((host, int(port)))


def test_every_setting_has_a_flag_of_its_name() -> None:
    assert {one.name for one in SETTINGS} | SECRET == {field.name for field in attrs.fields(Config)}


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
    ("arguments", "says"),
    [
        (("--tcp", "7000"), "write HOST:PORT"),
        (("--tls", "127.0.0.1:0"), "tls and wss need a certificate"),
        (("--config", "/nowhere.toml"), "cannot be read"),
        (("--heartbeat", "0"), "out of its bounds"),
        (("--data", "/dev/null/here"), "not a folder"),
        (("--durability", "maybe"), "out of its bounds"),
    ],
)
def test_a_bad_setting_gets_a_sentence(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    done = Shell(tmp_path).run("serve", "--data", str(tmp_path / "data"), *arguments, code=1)
    assert says in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_port_or_a_folder_in_use_gets_a_sentence(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as (_, (url,)):
        address = url.removeprefix("tcp://")
        shell = Shell(tmp_path)
        taken = shell.run("serve", "--data", str(tmp_path / "other"), "--tcp", address, code=1)
        assert "cannot listen on" in taken.err
        held = shell.run("serve", "--data", str(tmp_path / "data"), "--tcp", "127.0.0.1:0", code=1)
        assert "in use by process" in held.err


def test_systemd_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0chatsrv-{tmp_path.name}")
        systemd.settimeout(10)
        address = f"@chatsrv-{tmp_path.name}"
        process = Shell(tmp_path).start("serve", "--tcp", "127.0.0.1:0", NOTIFY_SOCKET=address)
        assert systemd.recv(100) == b"READY=1"
        assert stop(process) == 0
        assert systemd.recv(100) == b"STOPPING=1"


def test_usage_errors_have_code_2(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    for wrong in (("serve", "--nonsense"), ("nonsense",), ("check",), ("serve", "--node", "many")):
        assert "Traceback" not in shell.run(*wrong, code=2).err


def test_help_is_quick() -> None:
    """115 ms here; without care (rich, trio, the protocol) it would be 500."""
    loaded = subprocess.run(
        [CHATSRV[0], "-X", "importtime", *CHATSRV[1:], "--help"], capture_output=True, text=True
    ).stderr
    modules = {line.rpartition("|")[2].strip() for line in loaded.splitlines() if line.startswith("import time:")}
    assert "chatsrv.cli.root" in modules
    assert not modules & {"rich", "trio", "textual", "attrs", "msgpack", "aiosqlite", "asyncio", "chatsrv.config"}
