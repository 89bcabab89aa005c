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
from chatsrv.groups import Channels
from chatsrv_protocol import operator as wire
from chatsrv_protocol.common import Done
from chatsrv_protocol.session import Person
from chatsrv_storage.accounts import accounts, audit_log
from chatsrv_storage.errors import BackupFailed, Refusal
from chatsrv_storage.groups import oversight
from chatsrv_storage.groups.transaction import Command, Script
from chatsrv_storage.interface import SqlConnection, Storage
from chatsrv_storage.replies import NoReply

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
async def enable_user(
    request: Request, command: wire.EnableUser, *, storage: Storage, channels: Channels
) -> wire.UserEnabled:
    """Disable an account, and hand its groups over; or enable it again. To repeat it hands over what is left."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms

    def change(conn: SqlConnection) -> tuple[int, list[int]]:
        operator = accounts.require_operator(conn, user_id)
        return accounts.set_enabled(conn, operator.name, command.name, command.enabled, now_ms)

    actor = request.caller.actor
    end_connections(request, *await storage.write(change))
    if command.enabled:
        return wire.UserEnabled((), False)
    key = accounts.name_key(command.name)
    handed: list[wire.OwnedGroup] = []
    for group_id in await request.read(lambda conn: oversight.ungoverned(conn, key)):
        try:
            reply = await channels.run(group_id, Command(actor, None, oversight.SUCCEED))
        except Refusal as refusal:
            if refusal.code != "group_unknown":  # somebody governs it meanwhile
                raise
            continue
        owner = Person(reply.owner_id, reply.owner) if reply.owner_id else None
        handed.append(wire.OwnedGroup(reply.group_id, reply.name, reply.members, owner))
    return wire.UserEnabled(tuple(handed[: wire.GROUPS_PAGE]), len(handed) > wire.GROUPS_PAGE)


@handles
async def list_all_groups(request: Request, command: wire.ListAllGroups, *, storage: Storage) -> wire.AllGroups:
    """The groups of the server. Looking at them is audited too."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms

    def look(conn: SqlConnection) -> list[oversight.GroupOwnership]:
        operator = accounts.require_operator(conn, user_id)
        audit_log.note(conn, now_ms, operator.name, "group_list", str(command.after))
        return oversight.all_groups(conn, command.after, wire.GROUPS_PAGE + 1)

    rows = await storage.write(look)
    page = tuple(
        wire.OwnedGroup(row.group_id, row.name, row.members, None if row.owner is None else Person(*row.owner))
        for row in rows[: wire.GROUPS_PAGE]
    )
    return wire.AllGroups(page, len(rows) > wire.GROUPS_PAGE)


async def _oversee(request: Request, channels: Channels, group_id: int, script: Script[NoReply]) -> Done:
    """Change a group as an operator. The right is checked before a channel is started for any number a client may name."""
    user_id = request.caller.actor.user_id
    await request.read(lambda conn: accounts.require_operator(conn, user_id))
    await channels.run(group_id, Command(request.caller.actor, None, script))
    return Done()


@handles
async def appoint_owner(request: Request, command: wire.AppointOwner, *, channels: Channels) -> Done:
    """Make a member of a group its owner."""
    return await _oversee(request, channels, command.group_id, oversight.appoint(command.user_id))


@handles
async def dissolve_any_group(request: Request, command: wire.DissolveAnyGroup, *, channels: Channels) -> Done:
    """End a group."""
    return await _oversee(request, channels, command.group_id, oversight.DISSOLVE)


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
