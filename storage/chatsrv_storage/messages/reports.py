"""Reports: what people tell the operators about messages and people, with a copy of the message as it was then."""

from typing import Final, NamedTuple

from chatsrv_storage.accounts import audit_log
from chatsrv_storage.accounts.accounts import require_operator
from chatsrv_storage.accounts.profiles import names_of
from chatsrv_storage.engine.shared import lock_name, lock_people
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.permissions import require_reader
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages.message_content import find

MAX_OPEN: Final = 50
"""Open reports of one user: who has more to say waits until some are closed."""

REPORTED_CHARACTERS: Final = 500
"""Characters of a message that a report keeps."""


class StoredReport(NamedTuple):
    """What somebody reported. Of a person as such, there is no group and no text, and `seq` is 0."""

    number: int
    made_at: int
    reporter_id: int
    reporter: str
    user_id: int
    user: str
    group_id: int
    group: str
    seq: int
    text: str
    reason: str
    closed_at: int
    """0: it is open."""
    closed_by: str
    note: str


def report_message(conn: SqlConnection, user_id: int, group_id: int, seq: int, reason: str, now_ms: int) -> int:
    """Store what a user reports of a message that they may read; answers its number.

    Raises Refusal: group_unknown, message_unknown, too_many.
    """
    _, member = require_reader(conn, user_id, group_id)
    target = find(conn, group_id, seq, member.visible_from)
    about = (target.sender_id, group_id, seq)
    return _store(conn, user_id, about, target.text[:REPORTED_CHARACTERS], reason, now_ms)


def report_person(conn: SqlConnection, user_id: int, other_id: int, reason: str, now_ms: int) -> int:
    """Store what a user reports of somebody else; answers its number. Raises Refusal: user_unknown, too_many."""
    if other_id == user_id or not names_of(conn, [other_id]):
        raise Refusal("user_unknown", "there is no other user with this id", "user_id")
    return _store(conn, user_id, (other_id, 0, 0), "", reason, now_ms)


def _store(conn: SqlConnection, user_id: int, about: tuple[int, int, int], text: str, reason: str, now_ms: int) -> int:
    lock_people(conn, [user_id])
    again = conn.execute(
        "update report set made_at = ?, text = ?, reason = ?"
        " where reporter_id = ? and user_id = ? and group_id = ? and seq = ? and closed_at = 0 returning id",
        (now_ms, text, reason, user_id, *about),
    ).fetchall()
    if again:
        return again[0][0]
    (count,) = conn.execute(
        "select count(*) from report where reporter_id = ? and closed_at = 0", (user_id,)
    ).fetchone()
    if count >= MAX_OPEN:
        sentence = f"you have reported {count} things that no operator has looked at yet: wait until some are closed"
        raise Refusal("too_many", sentence)
    lock_name(conn, "report")
    (number,) = conn.execute("select coalesce(max(id), 0) + 1 from report").fetchone()
    conn.execute(
        "insert into report (id, made_at, reporter_id, user_id, group_id, seq, text, reason) values (?, ?, ?, ?, ?, ?, ?, ?)",
        (number, now_ms, user_id, *about, text, reason),
    )
    return number


_SELECT: Final = (
    "select r.id, r.made_at, r.reporter_id, b.name, r.user_id, u.name, r.group_id, coalesce(g.name, ''), r.seq, r.text,"
    " r.reason, r.closed_at, coalesce(c.name, ''), r.note from report r join person b on b.id = r.reporter_id"
    " join person u on u.id = r.user_id left join chat_group g on g.id = r.group_id"
    " left join person c on c.id = r.closed_by"
)
_OPEN: Final = f"{_SELECT} where r.closed_at = 0 and r.id < ? order by r.id desc limit ?"
_CLOSED: Final = f"{_SELECT} where r.closed_at > 0 and r.id < ? order by r.id desc limit ?"


def reports(conn: SqlConnection, before: int, limit: int, *, closed: bool = False) -> list[StoredReport]:
    """Return the open reports (or the closed ones) before a number (0: the latest ones), the latest first."""
    rows = conn.execute(_CLOSED if closed else _OPEN, (before or 1 << 62, limit))
    return [StoredReport(*row) for row in rows]


def close(conn: SqlConnection, operator_id: int, number: int, note: str, now_ms: int) -> None:
    """Close a report, audited; one that is closed stays as it is. Raises Refusal: operator_only, report_unknown."""
    operator = require_operator(conn, operator_id)
    closed = conn.execute(
        "update report set closed_at = ?, closed_by = ?, note = ? where id = ? and closed_at = 0 returning user_id",
        (now_ms, operator_id, note, number),
    ).fetchall()
    if closed:
        audit_log.note(conn, now_ms, operator.name, "report_close", str(number), note)
    elif conn.execute("select 1 from report where id = ?", (number,)).fetchone() is None:
        raise Refusal("report_unknown", "there is no report with this number", "number")
