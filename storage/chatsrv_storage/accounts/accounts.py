"""Accounts: making them, finding them by name, passwords, and what an operator does to them."""

from collections.abc import Sequence

import attrs

from chatsrv_names import account_name_problem, name_key, skeleton
from chatsrv_storage import name_looks
from chatsrv_storage.accounts import audit_log, login_addresses
from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.engine.bulk_sql import marks
from chatsrv_storage.engine.jobs import Row
from chatsrv_storage.engine.shared import lock_name, lock_people
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.row_checksums import seal


@attrs.frozen(slots=True)
class UserAccount:
    """A user, as the server needs to know them at a login."""

    user_id: int = attrs.field(metadata=sql("u.id"))
    name: str
    password_hash: str
    version: int
    operator: bool = attrs.field(converter=bool)
    disabled: bool = attrs.field(converter=bool)


_SELECT = f"select {select_list(UserAccount, 'u')} from person u"


def register(
    conn: SqlConnection, user_id: int, name: str, password_hash: str, now_ms: int, *, vouched: bool = False
) -> UserAccount:
    """Return a new account. Raises Refusal where the name is taken, looks like one that is, or may not be chosen.

    `vouched`: the embedding program chose the name, which then only has to be free and without spaces.
    """
    key = name_key(name)
    if vouched and (not key or any(character.isspace() for character in name)):
        raise Refusal("bad_field", "an account's name needs a character that can be seen, and has no spaces", "name")
    lock_name(conn, "look", skeleton(name))  # names that are not the same, and look so
    if conn.execute("select 1 from person where name_key = ?", (key,)).fetchone() is not None:
        raise Refusal("name_taken", f"the name '{name}' is taken: choose another", "name")
    if not vouched and (problem := account_name_problem(name)):
        raise Refusal("bad_field", problem, "name")
    if not vouched and name_looks.lookalike(conn, name) is not None:
        raise Refusal("name_taken", f"the name '{name}' looks like one that is taken: choose another", "name")
    conn.execute(
        "insert into person (id, name, name_key, password_hash, created_at) values (?, ?, ?, ?, ?)",
        (user_id, name, key, password_hash, now_ms),
    )
    name_looks.add(conn, user_id, name)
    seal(conn, "person", user_id)
    return UserAccount(user_id, name, password_hash, 0, operator=False, disabled=False)


def _account(row: Row | None) -> UserAccount | None:
    return None if row is None else UserAccount(*row)


def by_name(conn: SqlConnection, name: str) -> UserAccount | None:
    """Return the account with this name, regardless of case."""
    return _account(conn.execute(f"{_SELECT} where u.name_key = ?", (name_key(name),)).fetchone())


def by_id(conn: SqlConnection, user_id: int) -> UserAccount | None:
    """Return the account with this id."""
    return _account(conn.execute(f"{_SELECT} where u.id = ?", (user_id,)).fetchone())


def find(conn: SqlConnection, names: Sequence[str]) -> list[tuple[int, str]]:
    """(id, name) of those who exist, in the order asked."""
    keys = [name_key(name) for name in names]
    # One statement: on PostgreSQL each is a round trip.
    rows = conn.execute(f"select name_key, id, name from person where name_key in ({marks(len(names))})", keys)
    found = {key: (user_id, name) for key, user_id, name in rows}
    return [found[key] for key in keys if key in found]


def names_of(conn: SqlConnection, user_ids: Sequence[int]) -> dict[int, str]:
    """Return the name of each user that exists."""
    found = conn.execute(f"select id, name from person where id in ({marks(len(user_ids))})", tuple(user_ids))
    return dict(found.fetchall())


def set_password(conn: SqlConnection, user_id: int, password_hash: str, keep_session: int) -> list[int]:
    """Set a password and end the user's sessions but `keep_session` (0: all); answers the ids of those ended."""
    lock_people(conn, [user_id])
    conn.execute("update person set password_hash = ? where id = ?", (password_hash, user_id))
    seal(conn, "person", user_id)
    return _end_sessions(conn, user_id, keep_session)


def _end_sessions(conn: SqlConnection, user_id: int, but: int) -> list[int]:
    rows = conn.execute("select id from session where user_id = ? and id <> ?", (user_id, but)).fetchall()
    conn.execute("delete from session where user_id = ? and id <> ?", (user_id, but))
    return [row[0] for row in rows]


def _require(conn: SqlConnection, name: str) -> UserAccount:
    account = by_name(conn, name)
    if account is None:
        raise Refusal("user_unknown", f"there is no account named '{name}'", "name")
    return account


def require_operator(conn: SqlConnection, user_id: int) -> UserAccount:
    """Return the account of an operator. Raises Refusal for anybody else."""
    account = by_id(conn, user_id)
    if account is None or not account.operator or account.disabled:
        raise Refusal("operator_only", "only an operator may do this: `chatsrv operator add NAME --data DIR` makes one")
    return account


def set_operator(conn: SqlConnection, actor: str, name: str, operator: bool, now_ms: int) -> int:
    """Make somebody an operator or end it, audited; answers their id."""
    account = _require(conn, name)
    conn.execute("update person set operator = ? where id = ?", (int(operator), account.user_id))
    seal(conn, "person", account.user_id)
    audit_log.note(conn, now_ms, actor, "operator_add" if operator else "operator_remove", account.name)
    return account.user_id


def set_enabled(conn: SqlConnection, actor: str, name: str, enabled: bool, now_ms: int) -> tuple[int, list[int]]:
    """Disable an account or enable it again, audited; answers its id and the sessions that ended."""
    account = _require(conn, name)
    lock_people(conn, [account.user_id])  # or a login that is under way had a session afterwards
    conn.execute("update person set disabled = ? where id = ?", (int(not enabled), account.user_id))
    seal(conn, "person", account.user_id)
    audit_log.note(conn, now_ms, actor, "user_enable" if enabled else "user_disable", account.name)
    if enabled:
        return account.user_id, []
    login_addresses.forget(conn, account.user_id)
    return account.user_id, _end_sessions(conn, account.user_id, 0)


def reset_password(
    conn: SqlConnection, actor: str, name: str, password_hash: str, now_ms: int
) -> tuple[int, list[int]]:
    """Set somebody's password and end their sessions, audited; answers their id and the sessions that ended."""
    account = _require(conn, name)
    audit_log.note(conn, now_ms, actor, "user_reset_password", account.name)
    return account.user_id, set_password(conn, account.user_id, password_hash, 0)
