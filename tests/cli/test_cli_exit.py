"""How a command ends: what the network said, as a sentence for a person."""

import ast
import errno
import json
import os
import shlex
import socket
import ssl
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import pytest
import trio

from chatsrv.cli.errors import UNREACHABLE
from chatsrv.cli.exit import ending_of
from chatsrv.cli.output import Output
from chatsrv.client import Unreachable

NOBODY = "tcp://127.0.0.1:1"


def wrong_version() -> ssl.SSLError:
    """What OpenSSL says of a server that does not speak TLS."""
    tls = ssl.create_default_context().wrap_bio(incoming := ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="x")
    incoming.write(b"HTTP/1.1 400 \r\n\r\n")
    with pytest.raises(ssl.SSLError) as raised:
        tls.do_handshake()
    return raised.value


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "Connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (wrong_version(), "what answers there does not speak TLS"),
        (
            untrusted(),
            "its certificate is not trusted (self-signed certificate); CHATSRV_CA_FILE names who vouches for it",
        ),
        (ssl.SSLError(1, "[SSL: SOMETHING_ELSE] something else (_ssl.c:1)"), "TLS failed: [SSL: SOMETHING_ELSE]"),
    ],
)
def test_what_the_network_said_is_told(cause: OSError, sentence: str) -> None:
    between = trio.BrokenResourceError()
    between.__cause__ = ExceptionGroup("attempts", [cause])
    error = Unreachable("all attempts failed")
    error.__cause__ = between
    ending = ending_of(error)
    assert ending is not None
    assert ending.exit_code == UNREACHABLE
    assert ending.sentence.startswith(f"the server cannot be reached: {sentence}")


def chatsrv(arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command by the shell, with its redirections."""
    command = f"{shlex.quote(sys.executable)} -m chatsrv {arguments}"
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)


def test_the_version_is_told() -> None:
    assert chatsrv("--version").stdout == f"chatsrv {version('chatsrv')}\n"


def test_wrong_usage_is_json_for_programs() -> None:
    done = chatsrv("history --json --limit many G")
    assert (done.returncode, done.stdout) == (2, "")
    assert json.loads(done.stderr)["error"] == "usage"
    assert json.loads(chatsrv("nonsense --json").stderr)["error"] == "usage"


def test_what_cannot_be_reached_is_named() -> None:
    done = chatsrv("whoami --server tcp://127.0.0.1:1")
    assert done.returncode == UNREACHABLE
    assert done.stderr == "chatsrv: tcp://127.0.0.1:1 cannot be reached: Connection refused\n"


@pytest.mark.parametrize(("redirection", "code"), [(">/dev/full", 1), (">&-", 0), ("<&- >&- 2>&-", 0), ("<&-", 0)])
def test_streams_that_are_full_or_closed_end_no_command_in_a_traceback(redirection: str, code: int) -> None:
    done = chatsrv(f"--help {redirection}")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == code
    if code:
        assert "standard output cannot be written: No space left on device" in done.stderr


def test_a_control_c_before_the_command_began_is_one() -> None:
    code = (
        "import builtins, sys; real = builtins.__import__\n"
        "def interrupted(name, *rest):\n"
        "    if name == 'chatsrv.cli.exit': raise KeyboardInterrupt\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = interrupted; from chatsrv.cli import main; main(['whoami'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (130, "")


def test_little_is_loaded_before_a_control_c_is_caught() -> None:
    code = "import sys; before = set(sys.modules); import chatsrv.cli; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert not {"typing", "re", "enum"} & set(ast.literal_eval(done.stdout))


def test_one_command_loads_no_other() -> None:
    code = (
        "import sys; from chatsrv.cli.root import build_app; build_app().commands['whoami'];"
        "print(sorted(m for m in sys.modules if m.startswith('chatsrv.cli.commands.')), 'rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "['chatsrv.cli.commands.accounts'] False\n"


HEAVY = (
    "aiosqlite", "anyio", "asyncio", "chatsrv_storage", "email", "h11", "httpx", "importlib.metadata", "PIL", "pydantic",
    "rich", "structlog", "textual", "trio_websocket", "typer", "zipfile",
)  # fmt: skip
"""What costs more than all of a command's own modules, and has no part in asking a server over tcp://."""


@pytest.fixture(scope="module")
def profile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of somebody who is logged in at a server that is not there."""
    home = tmp_path_factory.mktemp("home")
    path = home / ".config" / "chatsrv" / "profiles" / "default" / f"{quote(NOBODY, safe='')}.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"name": "ann", "user_id": "1", "token": "00" * 32}))
    return home


@pytest.mark.parametrize(
    "words",
    ["whoami", "send G hello", "history G", "group list", "unread", "read G", "reply G 1 x", "who G", "media list G",
     "redpack open 1", "wallet balance", "devices", "tail G", "user disable x"],
)  # fmt: skip
def test_a_command_that_goes_online_loads_nothing_heavy(words: str, profile_folder: Path) -> None:
    code = (
        "import sys; from chatsrv.cli import main\n"
        "try: main()\n"
        f"finally: print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "HOME": str(profile_folder), "CHATSRV_SERVER": NOBODY}
    environment.pop("XDG_CONFIG_HOME", None)
    command = [sys.executable, "-c", code, *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 3, done.stderr
    assert done.stderr == f"chatsrv: {NOBODY} cannot be reached: Connection refused\n[]\n"


def test_the_collector_rests_in_a_process_of_the_command_alone() -> None:
    code = "import gc; from chatsrv.cli import main\ntry: main({0})\nfinally: print(gc.get_threshold()[0])"
    asked = [sys.executable, "-c", "import gc; print(gc.get_threshold()[0])"]  # here another test may have changed it
    usual = subprocess.run(asked, capture_output=True, text=True, timeout=120).stdout
    for arguments, expected in (("", "100000\n"), ("['--version']", usual)):
        command = [sys.executable, "-c", code.format(arguments), "--version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.stdout.endswith(expected)


def test_tables_cut_names_and_never_ids(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    Output().table(
        ("group", "unread", "id"), [("a name that is far too long for this terminal", "12", "250818596412850176")]
    )
    out = capsys.readouterr().out
    assert "250818596412850176" in out
    assert "…" in out
    Output().table(("group",), [], empty="there is none")
    assert capsys.readouterr().err == "there is none\n"
