"""The data folder: modes, lock, and a plain sentence for everything that makes it unusable."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.storage_kit import SCHEMA, add

from chatsrv_storage.engine.folder import folder_risk, hold_folder, prepare_database
from chatsrv_storage.errors import FolderDamaged, FolderError, FolderInUse, FolderUnusable
from chatsrv_storage.interface import open_storage


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_folder_is_0700_and_every_file_in_it_0600(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    umask = os.umask(0)
    try:
        async with open_storage(folder, synchronous="OFF", migrations=SCHEMA) as storage:
            await storage.write(add("one"))
            names = {path.name: mode(path) for path in folder.iterdir()}
    finally:
        os.umask(umask)
    assert mode(folder) == 0o700
    assert names == dict.fromkeys(("lock", "chat.sqlite3", "chat.sqlite3-wal", "chat.sqlite3-shm"), 0o600)


def test_a_folder_that_exists_keeps_its_mode_and_a_database_is_made_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "chat.sqlite3").touch(0o644)
    with hold_folder(tmp_path) as folder:
        prepare_database(folder)
        assert mode(folder.database) == 0o600
    assert mode(tmp_path) == 0o755


@pytest.mark.parametrize("bits", [0o777, 0o1777, 0o702])
def test_a_folder_into_which_everybody_may_write_is_refused(bits: int, tmp_path: Path) -> None:
    """A file that another user put there could be the database; the sticky bit only keeps them from removing ours."""
    tmp_path.chmod(bits)
    with pytest.raises(FolderUnusable, match=f"chmod o-w {tmp_path}"), hold_folder(tmp_path):
        pass
    tmp_path.chmod(0o775)
    with hold_folder(tmp_path):
        assert "chmod g-w" in folder_risk(tmp_path)
    tmp_path.chmod(0o755)
    assert folder_risk(tmp_path) == ""


def test_a_folder_or_a_database_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hold_folder(tmp_path) as folder:
        prepare_database(folder)
        owner = tmp_path.stat().st_uid
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        with pytest.raises(FolderUnusable, match=f"chat.sqlite3 belongs to another user .uid {owner}"):
            prepare_database(folder)
    with pytest.raises(FolderUnusable, match=f"{tmp_path} belongs to another user"), hold_folder(tmp_path):
        pass
    assert "belongs to user" in folder_risk(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with hold_folder(tmp_path) as folder:  # root may, and is told what comes of it
        prepare_database(folder)


def test_a_folder_in_use_names_its_holder(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from chatsrv_storage.engine.folder import hold_folder\n"
        "with hold_folder(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(FolderInUse, match=f"{tmp_path} is in use by process {holder.pid}"), hold_folder(tmp_path):
            pass
        holder.kill()
    with hold_folder(tmp_path):  # the lock ended with its process
        pass


def test_what_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for path in (file, file / "below", Path("/proc/nonsense/data")):
        with pytest.raises(FolderUnusable), hold_folder(path):
            pass
    with pytest.raises(FolderUnusable, match="no data folder"), hold_folder(tmp_path / "absent", create=False):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FolderUnusable, match="Permission denied"), hold_folder(tmp_path):
        pass


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    for name in ("lock", "chat.sqlite3"):
        folder = tmp_path / f"with-{name}"
        folder.mkdir()
        (folder / name).symlink_to(outside)
        with pytest.raises(FolderUnusable), hold_folder(folder) as held:
            prepare_database(held)
    assert outside.read_text() == "precious"
    (tmp_path / "odd" / "chat.sqlite3").mkdir(parents=True)
    with pytest.raises(FolderUnusable), hold_folder(tmp_path / "odd") as held:
        prepare_database(held)


@pytest.mark.parametrize("inline", [False, True], ids=["threaded", "inline"])
@pytest.mark.parametrize("damage", ["garbage", "short", "truncated", "foreign"])
async def test_a_damaged_database_is_explained_and_left_alone(tmp_path: Path, inline: bool, damage: str) -> None:
    folder = tmp_path / "data"
    async with open_storage(folder, synchronous="OFF", inline=inline, migrations=SCHEMA) as storage:
        for _ in range(50):
            await storage.write(add("x" * 1_000))
    database = folder / "chat.sqlite3"
    whole = database.read_bytes()
    if damage == "foreign":
        database.unlink()
        with sqlite3.connect(database) as connection:
            connection.execute("CREATE TABLE theirs (a)")
        connection.close()
    else:
        spoilt = {"garbage": b"garbage " * 1_000, "short": b"SQLite", "truncated": whole[: len(whole) // 2]}
        database.write_bytes(spoilt[damage])
    before = database.read_bytes()
    with pytest.raises(FolderDamaged, match=str(database)):
        async with open_storage(folder, inline=inline, migrations=SCHEMA):
            pass
    if damage != "foreign":
        assert database.read_bytes() == before
    with pytest.raises(FolderError):  # and the lock was let go
        async with open_storage(folder, inline=inline, migrations=SCHEMA):
            pass


def test_room_is_told_from_none(tmp_path: Path) -> None:
    script = (
        "import sys, resource; from pathlib import Path; from chatsrv_storage.engine.folder import hold_folder\n"
        "with hold_folder(Path(sys.argv[1])) as folder:\n"
        "    print(folder.is_full())\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "    print(folder.is_full())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=30, check=True
    )
    assert answer.stdout.split() == ["False", "True"]
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
