"""What only operators may do. Rights are checked in the transaction, and everything is audited."""

import re
from pathlib import Path
from typing import Final

import trio

from chatsrv.auth.passwords import MIN_LENGTH, PasswordHasher
from chatsrv.commands.context import Request, Services
from chatsrv.commands.registry import handles
from chatsrv.commands.session import end_connections
from chatsrv.config import Config
from chatsrv_protocol import operator as wire
from chatsrv_protocol.common import Done
from chatsrv_storage.accounts import accounts, audit_log
from chatsrv_storage.errors import BackupFailed, Refusal
from chatsrv_storage.interface import SqlConnection, Storage

_BACKUP_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")


@handles
async def backup(request: Request, command: wire.Backup, *, config: Config, storage: Storage) -> Done:
    """A verified copy of the database in the server's folder for backups."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    await request.read(lambda conn: accounts.require_operator(conn, user_id))
    folder = config.backup_folder
    if folder is None:
        raise Refusal("bad_field", "this server keeps nothing on a disk, and no backups", "name")
    if _BACKUP_NAME.fullmatch(command.name) is None:
        sentence = "a backup's name has letters a to z, digits, '.', '-' and '_', and begins with a letter or a digit"
        raise Refusal("bad_field", sentence, "name")
    path = folder / command.name

    def allow(conn: SqlConnection) -> None:
        operator = accounts.require_operator(conn, user_id)
        audit_log.note(conn, now_ms, operator.name, "backup", str(path))

    await storage.write(allow)
    try:
        await make_private_folder(folder)
        await storage.backup(path)
    except BackupFailed as failed:
        raise Refusal("bad_field", failed.message, "name") from None
    return Done()


async def log_audit_head(services: Services) -> None:
    """Write the head of the audit log's chain into the server's log, which is kept elsewhere: see `check --expect-head`."""
    row, head = await services.storage.read(audit_log.head)
    services.log.info("audit log", row=row, head=head)


async def make_private_folder(folder: Path) -> None:
    """Make the folder for backups, mode 0700, unless it exists. Raises BackupFailed."""
    try:
        await trio.Path(folder).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise BackupFailed(f"The folder for backups cannot be made: {error.strerror}.") from None


@handles
async def enable_user(request: Request, command: wire.EnableUser, *, storage: Storage) -> Done:
    """Disable an account, or enable it again."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms

    def change(conn: SqlConnection) -> tuple[int, list[int]]:
        operator = accounts.require_operator(conn, user_id)
        return accounts.set_enabled(conn, operator.name, command.name, command.enabled, now_ms)

    end_connections(request, *await storage.write(change))
    return Done()


@handles
async def reset_password(
    request: Request, command: wire.ResetPassword, *, passwords: PasswordHasher, storage: Storage
) -> Done:
    """Set somebody's password."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    if len(command.password) < MIN_LENGTH:
        raise Refusal("password_weak", f"a password needs at least {MIN_LENGTH} characters", "password")
    await request.read(lambda conn: accounts.require_operator(conn, user_id))
    password_hash = await passwords.hash(command.password)

    def change(conn: SqlConnection) -> tuple[int, list[int]]:
        operator = accounts.require_operator(conn, user_id)
        return accounts.reset_password(conn, operator.name, command.name, password_hash, now_ms)

    end_connections(request, *await storage.write(change))
    return Done()
