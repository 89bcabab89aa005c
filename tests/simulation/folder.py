"""The folder of the media on the simulated disk: real files, of which a power cut keeps what was synced.

The store works on a real folder through this module's stand-in for `os`, which knows what an fsync of a file or of a
folder made safe. A cut keeps of each file what was synced and a random beginning of the rest (files only grow), and of
each name that is not synced either the old state or the new one.
"""

import errno
import os
import random
import shutil
import stat
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs

from chatsrv.media.store import local, spool
from simulation.disk import Disk
from simulation.replaced import replaced

Tree: TypeAlias = "dict[str, Tree | tuple[bytes, float]]"
"""name → what is in a folder, or (bytes, seconds of the last change)."""


@attrs.define(eq=False)
class Inode:
    """A file, whatever it is called."""

    safe: bytes = b""


FOLDER: Final = Inode()
"""What a name stands for that is a folder's."""


class MediaFolder:
    """What is safe of a folder, and its state after a cut. `os` is what the store's modules use in place of os."""

    def __init__(self, root: Path, disk: Disk, chance: random.Random, now: Callable[[], float]) -> None:
        self.root: Final = root
        self.disk: Final = disk
        self.now: Final = now
        self.os: Final = _Os(self)
        self._chance = chance
        self._inodes: dict[int, Inode] = {}
        self._names: dict[Path, dict[str, Inode]] = {}
        self._left: Tree | None = None

    def born(self, fd: int) -> None:
        """A new file, whose number another may have had before."""
        self._inodes[os.fstat(fd).st_ino] = Inode()

    def synced(self, fd: int) -> None:
        """All of a file, or all names of a folder, are safe."""
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            path = Path(f"/proc/self/fd/{fd}").readlink()
            self._names[path] = self._entries(path)
        else:
            self._inode(status.st_ino).safe = os.pread(fd, status.st_size, 0)

    def _inode(self, number: int) -> Inode:
        return self._inodes.setdefault(number, Inode())

    def _entries(self, path: Path) -> dict[str, Inode]:
        if not path.is_dir():
            return {}
        with os.scandir(path) as entries:
            found = {
                e.name: FOLDER if e.is_dir() else self._inode(e.stat(follow_symlinks=False).st_ino) for e in entries
            }
        return dict(sorted(found.items()))

    def freeze(self) -> None:
        """The power is gone now: whatever the dying server still does, this is what the next one finds."""
        self._left = self._cut(self.root) if self.root.is_dir() else {}

    def _cut(self, path: Path) -> Tree:
        before, now = self._names.get(path, {}), self._entries(path)
        tree: Tree = {}
        for name in sorted({*before, *now}):
            inode = now.get(name)
            if before.get(name) is not inode and self._chance.random() < 0.5:
                inode = before.get(name)
            if inode is FOLDER:
                tree[name] = self._cut(path / name)
            elif inode is not None:
                tree[name] = self._after(path / name, inode, exists=inode is now.get(name))
        return tree

    def _after(self, path: Path, inode: Inode, *, exists: bool) -> tuple[bytes, float]:
        if not exists:
            return inode.safe, self.now()
        seen = path.read_bytes()
        assert seen.startswith(inode.safe)
        return seen[: self._chance.randint(len(inode.safe), len(seen))], path.stat().st_mtime

    def restart(self) -> None:
        """Put there what the cut left; after an orderly end nothing is to be done."""
        if self._left is None:
            return
        self._inodes.clear()
        self._names.clear()
        self._write(self.root, self._left)
        self._left = None

    def _write(self, path: Path, tree: Tree) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in path.iterdir():
            if old.name not in tree:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        for name, content in tree.items():
            each = path / name
            if isinstance(content, dict):
                self._write(each, content)
                continue
            data, changed = content
            if not each.exists() or each.read_bytes() != data:
                each.write_bytes(data)
            os.utime(each, (changed, changed))
            self._inodes[each.stat().st_ino] = Inode(data)
        self._names[path] = self._entries(path)

    @contextmanager
    def in_use(self) -> Generator[None]:
        """The store works on the simulated disk, and calls its files by names that follow from the seed."""
        with ExitStack() as stack:
            for module in (spool, local):
                stack.enter_context(replaced(module, "os", self.os))
            stack.enter_context(replaced(spool, "secrets", self))
            yield

    def token_hex(self, count: int) -> str:
        """In place of that of `secrets`."""
        return self._chance.randbytes(count).hex()


class _Os:
    """The part of `os` that changes files; the rest is the real one's."""

    def __init__(self, folder: MediaFolder) -> None:
        self._folder = folder

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        fd = os.open(path, flags, mode)
        if flags & os.O_CREAT:
            self._folder.born(fd)
            self._touch(fd)
        return fd

    def write(self, fd: int, data: bytes) -> int:
        disk = self._folder.disk
        disk.about_to("write")
        if disk.full and not disk.frozen:
            disk.on_hit("disk_full")
            raise OSError(errno.ENOSPC, "no space left on the simulated disk")
        written = os.write(fd, data)
        self._touch(fd)
        return written

    def _touch(self, fd: int) -> None:
        """Files are as old as the simulated clock says."""
        os.utime(fd, (self._folder.now(), self._folder.now()))

    def fsync(self, fd: int) -> None:
        disk = self._folder.disk
        disk.about_to("sync")
        if disk.frozen:
            return
        if disk.sync_fails():
            raise OSError(errno.EIO, "the simulated disk did not sync")
        self._folder.synced(fd)
        disk.on_synced()
