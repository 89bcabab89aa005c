"""Commands of operators. Permissions are checked in the transaction, and everything is audited."""

import math
import re
from pathlib import Path
from typing import Final, TypeVar

import trio

from chatsrv.auth.passwords import MIN_LENGTH, PasswordHasher
from chatsrv.bus import LocalBus
from chatsrv.cluster import Cluster
from chatsrv.commands.context import Request, Services
from chatsrv.commands.registry import handles
from chatsrv.commands.session import end_connections
from chatsrv.config import Config
from chatsrv.groups import Channels
from chatsrv_protocol import operator as wire
from chatsrv_protocol.common import Done
from chatsrv_protocol.session import Person
from chatsrv_storage.accounts import accounts, audit_log, operator_views
from chatsrv_storage.errors import BackupFailed, Refusal
from chatsrv_storage.groups import oversight
from chatsrv_storage.groups.transaction import Command, Script
from chatsrv_storage.interface import Job, SqlConnection, Storage
from chatsrv_storage.replies import NoReply

T = TypeVar("T")

_AUDIT_FIELD_CHARACTERS: Final = 100
"""Characters of a field of the audit log that are shown: a page of rows fits into a frame."""

_BACKUP_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")


@handles
async def backup(request: Request, command: wire.Backup, *, config: Config, storage: Storage) -> Done:
    """Write a verified copy of the database to the server's folder for backups."""
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
    """Return a page of the groups of the server. To look at them is audited too."""
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


async def read_audited(request: Request, storage: Storage, action: str, subject: str, query: Job[T]) -> T:
    """Read what is for operators alone: looking is audited too. The query runs beside the writer."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms

    def note(conn: SqlConnection) -> None:
        operator = accounts.require_operator(conn, user_id)
        audit_log.note(conn, now_ms, operator.name, action, subject)

    await storage.write(note)
    return await request.read(query)


@handles
async def list_accounts(request: Request, command: wire.ListAccounts, *, storage: Storage) -> wire.Accounts:
    """Answer a page of the server's accounts."""
    rows = await read_audited(
        request, storage, "user_list", command.part or str(command.after),
        lambda conn: operator_views.accounts_like(conn, command.part, command.after, wire.ACCOUNTS_PAGE + 1),
    )  # fmt: skip
    page = tuple(
        wire.AccountEntry(
            Person(row.user_id, row.name),
            row.created_at,
            row.operator,
            row.disabled,
            row.sessions,
            row.groups,
            row.seen_at,
        )
        for row in rows[: wire.ACCOUNTS_PAGE]
    )
    return wire.Accounts(page, len(rows) > wire.ACCOUNTS_PAGE)


@handles
async def list_audit(request: Request, command: wire.ListAudit, *, storage: Storage) -> wire.AuditEntries:
    """Answer a page of the audit log."""
    rows = await read_audited(
        request, storage, "audit_list", str(command.before),
        lambda conn: operator_views.audit_page(conn, command.before, wire.AUDIT_PAGE + 1),
    )  # fmt: skip
    page = tuple(
        wire.AuditEntry(
            row.number,
            row.at,
            row.actor[:_AUDIT_FIELD_CHARACTERS],
            row.action[:64],
            row.subject[:_AUDIT_FIELD_CHARACTERS],
            row.detail[:_AUDIT_FIELD_CHARACTERS],
        )
        for row in rows[: wire.AUDIT_PAGE]
    )
    return wire.AuditEntries(page, len(rows) > wire.AUDIT_PAGE)


@handles
async def show_figures(
    request: Request,
    command: wire.ShowFigures,
    *,
    storage: Storage,
    bus: LocalBus,
    channels: Channels,
    cluster: Cluster | None,
) -> wire.Figures:
    """Answer the server in figures."""
    del command
    stored = await read_audited(request, storage, "figures", "", operator_views.stored_figures)
    metrics = channels.metrics
    assert metrics is not None, "a server measures itself"
    users = list(bus.users())
    return wire.Figures(
        now=request.now_ms,
        up=round(trio.current_time() - metrics.started_at),
        accounts=stored.accounts,
        disabled=stored.disabled,
        groups=stored.groups,
        messages=stored.messages,
        media=stored.media,
        media_bytes=stored.media_bytes,
        database_bytes=stored.database_bytes,
        users_online=len(users),
        connections=sum(len(bus.connections(user_id)) for user_id in users),
        commands=metrics.commands,
        commit=math.ceil(metrics.mean_commit_seconds * 1000),
        nodes=1 if cluster is None else len(cluster.peers.names()),
        full=request.services.is_full(),
        deaf=request.services.is_deaf(),
    )


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
