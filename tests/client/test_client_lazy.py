"""A program that is a client loads no server."""

import subprocess
import sys

import pytest

import chatsrv

FORBIDDEN = (
    "aiosqlite", "sqlite3", "argon2", "chatsrv_storage", "chatsrv_redpack", "chatsrv.app", "chatsrv.net",
    "chatsrv.commands", "chatsrv.groups", "chatsrv.config", "hypercorn", "PIL", "structlog",
)  # fmt: skip


def test_importing_the_client_loads_neither_server_nor_storage() -> None:
    program = "import chatsrv, sys; chatsrv.open_client; chatsrv.Client; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "chatsrv.client" in loaded
    assert [name for name in loaded if name in FORBIDDEN] == []


def test_what_the_package_offers() -> None:
    assert set(chatsrv.__all__) <= set(dir(chatsrv))
    for name in chatsrv.__all__:
        assert getattr(chatsrv, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = chatsrv.nothing
