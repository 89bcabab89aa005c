"""What PostgreSQL's errors mean for a job, for the storage, and for the person who starts a server."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from chatsrv_storage.dsn import hide_passwords
from chatsrv_storage.engine.batch import ErrorSeverity
from chatsrv_storage.errors import DatabaseUnusable

REPEAT: Final = (errors.DeadlockDetected, errors.SerializationFailure)
"""Two transactions wanted what the other had: PostgreSQL took one back, and it can be run again."""

CONFLICT: Final = (errors.UniqueViolation, errors.ForeignKeyViolation)
"""Another node stored or dropped a row after the job had looked for it: the job is run again, and finds it as it is."""

_FULL: Final = (errors.DiskFull, errors.ConfigurationLimitExceeded)
_GONE: Final = ("08", "57P", "25006", "53300", "26000")
"""Connection exceptions, a server that stops or starts, a transaction that may only read, too many connections, and
a prepared statement that the server does not know any more (a pooler in between, DEALLOCATE)."""


class LaneLost(psycopg.OperationalError):
    """Another node holds this lane by now: what was under way was not stored."""


def is_disconnected(error: BaseException) -> bool:
    """Whether the connection, the server or its being the primary is gone: another connection may do better.

    By the class of PostgreSQL's error code: psycopg calls a text that is too long for an index an OperationalError as well.
    """
    if not isinstance(error, psycopg.Error) or isinstance(error, LaneLost):
        return False
    state = error.sqlstate
    if state is None:  # psycopg's own: the socket is gone
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(_GONE)


def severity(error: BaseException) -> ErrorSeverity:
    """Judge an error as batch.judge does, for PostgreSQL: FATAL means that the whole transaction is run again, or refused."""
    if not isinstance(error, psycopg.Error):
        return ErrorSeverity.HARMLESS
    if isinstance(error, _FULL):
        return ErrorSeverity.FULL
    if isinstance(error, (*REPEAT, LaneLost)) or is_disconnected(error) or (error.sqlstate or "").startswith("XX"):
        return ErrorSeverity.FATAL
    return ErrorSeverity.HARMLESS


def place_of(dsn: str) -> str:
    """Return a DSN as it may be shown: where the database is, without the password."""
    parts = _parts(dsn)
    if parts is None:
        return "that the DSN names"
    name, host, port = (str(parts.get(key) or "") for key in ("dbname", "host", "port"))
    return hide_passwords(
        f"{name or 'the default database'} at {host or 'the local socket'}{f':{port}' if port else ''}"
    )


def _parts(dsn: str) -> Mapping[str, object] | None:
    """Return the parts of a DSN; None where it cannot be read, or some of the password stands in another part."""
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return None
    scheme, _, rest = dsn.partition("://")
    before = rest.partition("?")[0]
    password = (before if "@" in before else rest).rpartition("@")[0].partition(":")[2]
    if password and scheme in ("postgresql", "postgres") and unquote(password) != parts.get("password"):
        return None  # libpq ends it at the first "@", and takes no "/" in it
    return parts


def unusable(dsn: str, error: psycopg.Error) -> DatabaseUnusable:
    """Return the sentence for a database that could not be opened."""
    if _parts(dsn) is None:  # whatever the error says may be of the password
        return DatabaseUnusable(
            "The DSN of the database cannot be read. Write postgresql://USER@HOST:PORT/NAME, and the password into the file"
            " named by PGPASSFILE; in a DSN its characters that are no letters and digits are written %40 for @, %2F for /, …"
        )
    reason = hide_passwords(_reason(error))
    return DatabaseUnusable(f"The database {place_of(dsn)} cannot be used: {reason}. {_advice(error)}")


def _reason(error: psycopg.Error) -> str:
    """Return what an error says, in a line: PostgreSQL's message without details, or why no host could be reached."""
    if error.diag.message_primary:
        return error.diag.message_primary.rstrip(".")
    lines = str(error).strip().splitlines() or [type(error).__name__]
    each = [line.partition("connection failed: ")[2] or line for line in lines if line.startswith("- host:")]
    return "; ".join(each or [lines[0].removeprefix("connection failed: ").removeprefix("connection is bad: ")]).rstrip(
        "."
    )


def _advice(error: psycopg.Error) -> str:
    """Return what to do about an error."""
    text = str(error)
    for kinds, words, advice in _ADVICE:
        if isinstance(error, kinds) or any(word in text for word in words):
            return advice
    return "Check that it runs and that the DSN names it."


_ADVICE: Final[tuple[tuple[tuple[type[psycopg.Error], ...], tuple[str, ...], str], ...]] = (
    (
        (errors.InvalidPassword,),
        ("password authentication failed", "no password supplied"),
        "The user or the password is wrong: check the DSN, or the file named by PGPASSFILE.",
    ),
    ((), ("pg_hba.conf",), "Let this machine and user in by a line of the server's pg_hba.conf."),
    (
        (errors.TooManyConnections,),
        ("too many clients", "too many connections", "connection slots are reserved"),
        "Raise its max_connections: each server takes four, and one more for a moment.",
    ),
    (
        (),
        ("permission denied to create extension",),
        "The user has to own its database: ALTER DATABASE … OWNER TO …; or a superuser runs there: CREATE EXTENSION btree_gin.",
    ),
    (
        (errors.InsufficientPrivilege,),
        ("permission denied",),
        "The user needs all rights on its database: ALTER DATABASE … OWNER TO …, and CREATE on schema public.",
    ),
    ((), ('role "',), "Create the user: CREATE ROLE … LOGIN PASSWORD '…'."),
    (
        (errors.InvalidCatalogName,),
        ('database "',),
        "Create it: CREATE DATABASE … ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8' TEMPLATE template0.",
    ),
    (
        (errors.ReadOnlySqlTransaction,),
        ("read-only", "in hot standby mode", "during recovery"),
        "It takes no changes: name the primary, or all of them with target_session_attrs=read-write.",
    ),
    (
        (errors.UndefinedFile,),
        ("btree_gin",),
        "The extension btree_gin is missing: install PostgreSQL's contrib package.",
    ),
    ((errors.DiskFull,), (), "Make room on its disk."),
)
"""Kinds of errors or words of theirs, and what to do; the first that fits."""
