"""Online backup: whole or absent, private, overwriting nothing, and it restores."""

import stat
from pathlib import Path

import pytest
import trio
from support.storage_kit import SCHEMA, add, names, notes

from chatsrv_storage.engine import backup
from chatsrv_storage.engine.check import check_folder
from chatsrv_storage.errors import BackupFailed
from chatsrv_storage.interface import open_storage

TWINS = pytest.mark.parametrize("inline", [False, True], ids=["threaded", "inline"])


@TWINS
async def test_a_backup_under_writes_restores_everything_acked_before_it(tmp_path: Path, inline: bool) -> None:
    destination = tmp_path / "backup.sqlite3"
    acked: list[str] = []
    async with open_storage(tmp_path / "data", synchronous="OFF", inline=inline, migrations=SCHEMA) as storage:
        for number in range(200):
            await storage.write(add(f"before {number}"))
        async with trio.open_nursery() as nursery:

            async def keep_writing() -> None:
                while True:
                    await storage.write(add(f"during {len(acked)}"))
                    acked.append(f"during {len(acked)}")

            nursery.start_soon(keep_writing)
            await storage.backup(destination)
            nursery.cancel_scope.cancel()
        assert len(await storage.read(notes)) >= 200 + len(acked)
    assert stat.S_IMODE(destination.stat().st_mode) == 0o600
    assert names(tmp_path) == ["backup.sqlite3", "data"]

    restored = tmp_path / "restored"
    restored.mkdir()
    destination.rename(restored / "chat.sqlite3")
    assert check_folder(restored, migrations=SCHEMA) == []
    async with open_storage(restored, synchronous="OFF", inline=inline, migrations=SCHEMA) as storage:
        kept = await storage.read(notes)
        assert kept[:200] == [f"before {number}" for number in range(200)]
        assert kept[200:] == [f"during {number}" for number in range(len(kept) - 200)]
        await storage.write(add("and on"))


@TWINS
async def test_refusals_name_the_place_and_leave_nothing(
    tmp_path: Path, inline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_storage(tmp_path / "data", synchronous="OFF", inline=inline, migrations=SCHEMA) as storage:
        existing = tmp_path / "existing"
        existing.write_text("precious")
        with pytest.raises(BackupFailed, match="exists already"):
            await storage.backup(existing)
        assert existing.read_text() == "precious"
        with pytest.raises(BackupFailed, match="No such file or directory"):
            await storage.backup(tmp_path / "absent" / "backup")
        monkeypatch.setattr(backup, "structure_problems", lambda _: iter(["row 3 missing from index"]))
        with pytest.raises(BackupFailed, match="row 3 missing"):
            await storage.backup(tmp_path / "unverified")
        monkeypatch.undo()

        def raced(partial: Path) -> None:
            (tmp_path / "raced").write_text("somebody was quicker")

        monkeypatch.setattr(backup, "_verify", raced)
        with pytest.raises(BackupFailed, match="exists already"):
            await storage.backup(tmp_path / "raced")
        assert not storage.failed.is_set()
    assert names(tmp_path) == ["data", "existing", "raced"]


async def test_a_cancel_stops_it_and_leaves_nothing(tmp_path: Path) -> None:
    async with open_storage(tmp_path / "data", synchronous="OFF", migrations=SCHEMA) as storage:

        def fill(connection: object) -> None:
            connection.executemany("INSERT INTO note (body) VALUES (?)", (("x" * 50,) for _ in range(200_000)))  # pyright: ignore

        await storage.write(fill)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(storage.backup, tmp_path / "backup")
                while names(tmp_path) == ["data"]:
                    await trio.lowlevel.checkpoint()
                scope.cancel()
        assert scope.cancelled_caught
        await storage.write(add("and on"))
    assert names(tmp_path) == ["data"]


def test_a_filesystem_without_hard_links_gets_a_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    (tmp_path / "partial").write_text("whole")
    backup._name_without_overwriting(tmp_path / "partial", tmp_path / "backup")
    assert (tmp_path / "backup").read_text() == "whole"
    (tmp_path / "partial").write_text("second")
    with pytest.raises(BackupFailed):
        backup._name_without_overwriting(tmp_path / "partial", tmp_path / "backup")
    assert (tmp_path / "backup").read_text() == "whole"
