"""What PostgreSQL's errors mean for a job, for the storage, and for the person who starts a server."""

import re
from typing import Final

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

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

_SECRET = re.compile(r"(?<=:)[^:@/]+(?=@)")


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
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return _SECRET.sub("…", dsn)
    name, host, port = (parts.get(key) or "" for key in ("dbname", "host", "port"))
    return f"{name or 'the default database'} at {host or 'the local socket'}{f':{port}' if port else ''}"


def unusable(dsn: str, error: psycopg.Error) -> DatabaseUnusable:
    """Return the sentence for a database that could not be opened."""
    where = place_of(dsn)
    text = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    if isinstance(error, errors.InvalidPassword) or "password authentication failed" in text:
        advice = "The user or the password is wrong: check the DSN, or the file named by PGPASSFILE."
    elif isinstance(error, errors.InsufficientPrivilege) or "permission denied" in text:
        advice = "The user needs all rights on its database: ALTER DATABASE … OWNER TO …, and CREATE on schema public."
    elif isinstance(error, errors.InvalidCatalogName) or "does not exist" in text:
        advice = "Create it: CREATE DATABASE … ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8' TEMPLATE template0."
    elif isinstance(error, errors.ReadOnlySqlTransaction) or "read-only" in text or "session is read-only" in text:
        advice = "It takes no changes: name the primary, or all of them with target_session_attrs=read-write."
    elif isinstance(error, errors.UndefinedFile | errors.FeatureNotSupported) or "btree_gin" in text:
        advice = "The extension btree_gin is missing: install PostgreSQL's contrib package."
    else:
        advice = "Check that it runs and that the DSN names it."
    return DatabaseUnusable(f"The database {where} cannot be used: {_SECRET.sub('…', text)}. {advice}")
