"""What only operators may do. Rights are checked in the transaction, and everything is audited."""

from pathlib import Path
from typing import Any

from chatsrv.auth.passwords import MIN_LENGTH
from chatsrv.commands.context import Request
from chatsrv.commands.session import end_connections
from chatsrv_protocol import operator as wire
from chatsrv_protocol.common import Done
from chatsrv_storage import accounts, audit
from chatsrv_storage.errors import BackupFailed, Refusal
from chatsrv_storage.port import Connection


async def backup(request: Request, command: wire.Backup) -> Done:
    """A verified copy of the database on the server's machine."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    path = Path(command.path)
    if not path.is_absolute() or "\0" in command.path:
        raise Refusal("bad_field", "the path must be absolute: it is on the server's machine", "path")

    def allow(conn: Connection) -> None:
        operator = accounts.require_operator(conn, user_id)
        audit.note(conn, now_ms, operator.name, "backup", str(path))

    await request.services.storage.write(allow)
    try:
        await request.services.storage.backup(path)
    except BackupFailed as failed:
        raise Refusal("bad_field", failed.message, "path") from None
    return Done()


async def enable_user(request: Request, command: wire.EnableUser) -> Done:
    """Disable an account, or enable it again."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms

    def change(conn: Connection) -> tuple[int, list[int]]:
        operator = accounts.require_operator(conn, user_id)
        return accounts.set_enabled(conn, operator.name, command.name, command.enabled, now_ms)

    end_connections(request, *await request.services.storage.write(change))
    return Done()


async def reset_password(request: Request, command: wire.ResetPassword) -> Done:
    """Set somebody's password."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    if len(command.password) < MIN_LENGTH:
        raise Refusal("password_weak", f"a password needs at least {MIN_LENGTH} characters", "password")
    await request.services.storage.read(lambda conn: accounts.require_operator(conn, user_id))
    password_hash = await request.services.passwords.hash(command.password)

    def change(conn: Connection) -> tuple[int, list[int]]:
        operator = accounts.require_operator(conn, user_id)
        return accounts.reset_password(conn, operator.name, command.name, password_hash, now_ms)

    end_connections(request, *await request.services.storage.write(change))
    return Done()


HANDLERS: dict[type[Any], Any] = {
    wire.Backup: backup,
    wire.EnableUser: enable_user,
    wire.ResetPassword: reset_password,
}
