"""What operators look at: accounts, the audit log and figures of the whole server. Reads only; the callers audit them."""

from typing import Final

import attrs

from chatsrv_names import name_key
from chatsrv_storage.engine.shared import SharedConnection
from chatsrv_storage.interface import SqlConnection

DATABASE_BYTES: Final = "select page_count * page_size from pragma_page_count(), pragma_page_size()"
DATABASE_BYTES_POSTGRESQL: Final = "select pg_database_size(current_database())"


@attrs.frozen(slots=True)
class AccountRow:
    """An account as operators see it."""

    user_id: int
    name: str
    created_at: int
    operator: bool
    disabled: bool
    sessions: int
    seen_at: int
    """When the latest of its sessions was in use, to some 30 s; 0: it has none."""
    groups: int


@attrs.frozen(slots=True)
class AuditRow:
    """A row of the audit log."""

    number: int
    at: int
    actor: str
    action: str
    subject: str
    detail: str


@attrs.frozen(slots=True)
class StoredFigures:
    """What there is in the database."""

    accounts: int
    disabled: int
    groups: int
    messages: int
    media: int
    media_bytes: int
    """Of all uploads together; the same file uploaded twice counts twice, and is stored once."""
    database_bytes: int


def accounts_like(conn: SqlConnection, part: str, after: int, limit: int) -> list[AccountRow]:
    """Accounts by id whose names contain `part`, regardless of case; all for an empty one."""
    rows = conn.execute(
        "select p.id, p.name, p.created_at, p.operator, p.disabled, p.group_count,"
        " (select count(*) from session s where s.user_id = p.id),"
        " coalesce((select max(s.seen_at) from session s where s.user_id = p.id), 0)"
        " from person p where p.id > ? and instr(p.name_key, ?) > 0 order by p.id limit ?",
        (after, name_key(part), limit),
    ).fetchall()
    return [
        AccountRow(row[0], row[1], row[2], bool(row[3]), bool(row[4]), sessions=row[6], seen_at=row[7], groups=row[5])
        for row in rows
    ]


def audit_page(conn: SqlConnection, before: int, limit: int) -> list[AuditRow]:
    """Rows of the audit log before a number (0: the latest ones), the latest first."""
    rows = conn.execute(
        "select id, at, actor, action, subject, detail from audit where id < ? order by id desc limit ?",
        (before or 1 << 62, limit),
    ).fetchall()
    return [AuditRow(*row) for row in rows]


def stored_figures(conn: SqlConnection) -> StoredFigures:
    """Count what there is: a pass over accounts, groups and media."""
    accounts, disabled = conn.execute("select count(*), coalesce(sum(disabled), 0) from person").fetchone()
    groups, messages = conn.execute(
        "select count(*), coalesce(sum(ordinal), 0) from chat_group where dissolved_at = 0"
    ).fetchone()
    media, media_bytes = conn.execute(
        "select count(*), coalesce(sum(size), 0) from media where deleted_at = 0"
    ).fetchone()
    size = DATABASE_BYTES_POSTGRESQL if isinstance(conn, SharedConnection) else DATABASE_BYTES
    (database_bytes,) = conn.execute(size).fetchone()
    return StoredFigures(
        *(int(each) for each in (accounts, disabled, groups, messages, media, media_bytes, database_bytes))
    )
