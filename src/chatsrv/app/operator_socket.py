"""A door for whoever owns the data folder: `operator.sock` in it, mode 0600, for operator rights and backups while a server runs.

One line of JSON in, {"do": "add", "name": "ann"}, "remove", or {"do": "backup", "path": "/…"}; one line out,
{"ok": true, …} or {"ok": false, "error": CODE, "message": SENTENCE}. Who may open the file may do it; the audit log names
them by their account on this machine. Lines, time and connections are bounded, though only the folder's owner and root
get this far.
"""

import errno
import json
import math
import os
import pwd
import socket
import stat
import struct
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import trio

from chatsrv.commands.context import Services
from chatsrv.commands.operator import log_audit_head
from chatsrv_storage.accounts import accounts, audit_log
from chatsrv_storage.errors import Refusal, StorageFailed

SOCKET_NAME: Final = "operator.sock"
MAX_LINE: Final = 4096
DEADLINE: Final = 10.0
MAX_CONNECTIONS: Final = 8


async def serve_operators(
    services: Services, folder: Path, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve until cancelled, then remove the socket. Only for who holds the folder's lock.

    Where no socket can be made (a filesystem without them), the server runs without this door, and its log says so.
    """
    room = trio.Semaphore(MAX_CONNECTIONS)

    async def handle(stream: trio.SocketStream) -> None:
        try:
            async with stream, room:
                with trio.move_on_after(DEADLINE) as within:
                    await stream.send_all(_line(await _answer(services, stream, within)))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    with socket_address(folder) as address, trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        path = folder / SOCKET_NAME
        try:
            _remove_stale(path)
            await listening.bind(address)
            path.chmod(0o600)  # before listen: until then nobody can connect
            listening.listen(MAX_CONNECTIONS)
        except OSError as error:
            services.log.warning(
                "no operator socket: rights can be given while the server is stopped", error=str(error)
            )
            task_status.started()
            return
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(trio.serve_listeners, handle, [trio.SocketListener(listening)])
                task_status.started()
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def socket_address(folder: Path) -> Generator[str]:
    """Yield a name for the socket that fits: an address holds some 100 bytes, and a folder's path may have more."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        near = Path(f"/proc/self/fd/{descriptor}")
        yield str((near if near.exists() else folder) / SOCKET_NAME)
    finally:
        os.close(descriptor)


def _remove_stale(path: Path) -> None:
    """Remove the socket that a killed server left; never anything but a socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "something else has this name")
    path.unlink()


async def _answer(services: Services, stream: trio.SocketStream, within: trio.CancelScope) -> dict[str, object]:
    try:
        asked = _parse(await _read_line(stream))
        actor = peer_name(stream)
        if asked["do"] == "backup":
            within.deadline = math.inf  # seconds per GB
            return await _backup(services, actor, Path(asked["path"]))
        return await _set_operator(services, actor, asked["name"], operator=asked["do"] == "add")
    except Refusal as refusal:
        return {"ok": False, "error": refusal.code, "message": refusal.message}
    except StorageFailed:
        return {"ok": False, "error": "internal", "message": "the server's storage failed, and it stops"}


async def _set_operator(services: Services, actor: str, name: str, *, operator: bool) -> dict[str, object]:
    now_ms = services.clock.now_ms()
    user_id = await services.storage.write(lambda conn: accounts.set_operator(conn, actor, name, operator, now_ms))
    services.log.info("operator rights changed", by=actor, user=name, operator=operator)
    await log_audit_head(services)
    return {"ok": True, "user_id": str(user_id)}


async def _backup(services: Services, actor: str, path: Path) -> dict[str, object]:
    now_ms = services.clock.now_ms()
    await services.storage.write(lambda conn: audit_log.note(conn, now_ms, actor, "backup", str(path)))
    await services.storage.backup(path)
    await log_audit_head(services)
    return {"ok": True}


async def _read_line(stream: trio.SocketStream) -> bytes:
    line = bytearray()
    while b"\n" not in line and len(line) <= MAX_LINE:
        data = await stream.receive_some(MAX_LINE)
        if not data:
            break
        line += data
    return bytes(line.partition(b"\n")[0])


_ASKED: Final = {"add": "name", "remove": "name", "backup": "path"}
"""What can be asked, and what it needs to know."""


def _parse(line: bytes) -> dict[str, str]:
    """Parse and check a request. Raises Refusal."""
    try:
        asked: Any = json.loads(line)
        do = asked["do"]
        value = asked[_ASKED[do]]
        str(value).encode()  # half of a surrogate pair, which JSON can hold, no database takes
    except (ValueError, KeyError, TypeError, RecursionError):
        do, value = "", None
    if not isinstance(value, str) or len(line) > MAX_LINE or "\0" in value:
        raise Refusal(
            "bad_field", 'ask with one line of JSON: {"do": "add", "remove" or "backup", "name" or "path": "…"}'
        )
    if do == "backup" and not value.startswith("/"):
        raise Refusal("bad_field", "the path of a backup must be absolute")
    return {"do": do, _ASKED[do]: value}


def _line(answer: dict[str, object]) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def peer_name(stream: trio.SocketStream) -> str:
    """Return the name of the account on this machine that asks, for the audit log."""
    if sys.platform != "linux":
        return local_name(os.getuid())
    _, uid, _ = struct.unpack("3i", stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return local_name(uid)


def local_name(uid: int) -> str:
    """Return how the audit log names an account of this machine, which is not one of the chat."""
    try:
        return f"local:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"local:{uid}"
