"""Which devices are to be notified of which groups, and of what: decided from the cursors of the members.

So whatever the person read, muted, left or blocked counts until the moment of sending, and a notice that is lost is made good
by the next one. A device hears of a group at once; then again when the wait is over that doubles with each notice, until the
person has read.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from chatsrv_domain.groups import DIRECT
from chatsrv_storage.accounts.push_subscriptions import PushSubscription
from chatsrv_storage.engine.bulk_sql import marks
from chatsrv_storage.engine.jobs import Row
from chatsrv_storage.groups.group_summary import MENTIONS, NAME
from chatsrv_storage.interface import SqlConnection

FIRST_WAIT_MS: Final = 60_000
LAST_WAIT_MS: Final = 3_600_000
"""Between two notices of a group to a device that did not read: 1 min, 2 min, … up to an hour."""

MAX_RETRIED: Final = 5
"""A notice that the push service did not take is tried again only if it is among the first so many since the person read."""

TAIL_EVENTS: Final = 40
"""Events up to a group's last message that are looked through for the latest one by somebody who is not blocked."""

MAX_EXCERPT: Final = 120
"""Characters of a message's text in a notice."""

_SELECT: Final = (
    "select p.session_id, p.user_id, m.group_id, g.last_seq, g.ordinal - m.read_ordinal - m.own_above, m.quiet, m.read_seq,"
    f" m.visible_from, {MENTIONS}, t.seen_at, coalesce(s.seq, 0), coalesce(s.mentions, 0), coalesce(s.streak, 0),"
    " coalesce(s.next_at, 0), coalesce(s.retry, 0)"
    " from push_subscription p join session t on t.id = p.session_id"
    " join group_member m on m.user_id = p.user_id join chat_group g on g.id = m.group_id"
    " join person u on u.id = p.user_id"
    " left join push_sent s on s.session_id = p.session_id and s.group_id = m.group_id"
    " where m.role > 0 and u.disabled = 0 and g.last_seq > m.read_seq and g.last_seq > m.visible_from"
    " and g.ordinal - m.read_ordinal - m.own_above > 0"
)


@attrs.frozen(slots=True)
class DueNotice:
    """A device that is to hear of a group."""

    session_id: int
    user_id: int
    group_id: int
    seq: int
    """Of the group's last message."""
    mentions: int
    streak: int
    """How many notices there are with this one since the person read."""
    read_seq: int
    wait_until_ms: int
    """Not before this time; 0: now."""
    seen_at: int
    """When the session had a connection at the latest, as far as the database knows."""


@attrs.frozen(slots=True)
class PushNotice:
    """What a device is told of a group. `by` and `text` are for those who chose to have them shown."""

    subscription: PushSubscription
    group_id: int
    seq: int
    """Of the latest message by somebody else: who has read it needs the notice no more."""
    name: str
    count: int
    mentions: int
    is_direct: bool
    by: str
    text: str


def wait_ms(streak: int) -> int:
    """Return how long the next notice waits after this one."""
    return min(FIRST_WAIT_MS << min(max(streak, 1) - 1, 20), LAST_WAIT_MS)


def due_notices(conn: SqlConnection, group_ids: Sequence[int], now_ms: int) -> list[DueNotice]:
    """Return whose devices are to hear of these groups, now or when their wait is over."""
    rows = conn.execute(f"{_SELECT} and m.group_id in ({marks(len(group_ids))})", tuple(group_ids)).fetchall()
    return [due for row in rows if (due := _due(row, now_ms)) is not None]


def _due(row: Row, now_ms: int) -> DueNotice | None:
    session_id, user_id, group_id, seq, _unread, quiet, read_seq, _visible_from, mentions, seen_at = row[:10]
    sent_seq, sent_mentions, streak, next_at, retry = row[10:]
    if sent_seq <= read_seq:  # they read since, or there was none
        sent_mentions = streak = next_at = 0
    if not retry and (seq <= sent_seq or (quiet and mentions <= sent_mentions)):
        return None
    waits = now_ms < next_at <= now_ms + LAST_WAIT_MS  # a clock that was set back keeps nobody waiting for longer
    return DueNotice(
        session_id, user_id, group_id, seq, mentions, streak + 1, read_seq, next_at if waits else 0, seen_at
    )


def claim(conn: SqlConnection, due: Sequence[DueNotice], now_ms: int) -> list[DueNotice]:
    """Note that these are being sent; answers those that nobody else, another node for one, claimed meanwhile."""
    return [each for each in due if _claim(conn, each, now_ms)]


def _claim(conn: SqlConnection, due: DueNotice, now_ms: int) -> bool:
    claimed = conn.execute(
        "insert into push_sent (session_id, group_id, seq, mentions, streak, next_at)"
        " select ?, ?, ?, ?, ?, ? where exists (select 1 from push_subscription where session_id = ?)"
        " on conflict (session_id, group_id) do update set seq = excluded.seq, mentions = excluded.mentions,"
        " streak = excluded.streak, next_at = excluded.next_at, retry = 0"
        " where (push_sent.seq < excluded.seq or push_sent.retry = 1)"
        " and (push_sent.seq <= ? or push_sent.next_at <= ? or push_sent.next_at > ?) returning streak",
        (
            *(due.session_id, due.group_id, due.seq, due.mentions, due.streak, now_ms + wait_ms(due.streak)),
            *(due.session_id, due.read_seq, now_ms, now_ms + LAST_WAIT_MS),
        ),
    ).fetchone()
    return claimed is not None


def release(conn: SqlConnection, due: DueNotice) -> None:
    """Take a claim back: there was nothing to say, so the next message does not wait."""
    conn.execute(
        "update push_sent set streak = ?, next_at = 0 where session_id = ? and group_id = ? and seq = ?",
        (due.streak - 1, due.session_id, due.group_id, due.seq),
    )


def try_later(conn: SqlConnection, due: DueNotice, at_ms: int) -> None:
    """Make it due again from this time on: the push service did not take it."""
    conn.execute(
        "update push_sent set retry = 1, next_at = ? where session_id = ? and group_id = ? and seq = ?",
        (at_ms, due.session_id, due.group_id, due.seq),
    )


def notice(conn: SqlConnection, session_id: int, group_id: int) -> PushNotice | None:
    """Return what a device is told of a group by now; None where nothing is unread that calls the person."""
    row = conn.execute(
        "select p.session_id, p.user_id, p.endpoint, p.p256dh, p.auth, p.show_text, m.read_seq, m.visible_from, m.quiet,"
        f" g.ordinal - m.read_ordinal - m.own_above, g.last_seq, g.kind, {NAME}, {MENTIONS}"
        " from push_subscription p join group_member m on m.user_id = p.user_id join chat_group g on g.id = m.group_id"
        " join person u on u.id = p.user_id"
        " where p.session_id = ? and m.group_id = ? and m.role > 0 and u.disabled = 0",
        (session_id, group_id),
    ).fetchone()
    if row is None:
        return None
    read_seq, visible_from, quiet, count, last_seq, kind, name, mentions = row[6:]
    if count <= 0 or (quiet and not mentions):
        return None
    last = _last_by_others(conn, group_id, row[1], max(read_seq, visible_from), last_seq)
    if last is None:
        return None
    subscription = PushSubscription(*row[:5], show_text=bool(row[5]))
    seq, by, text = last if subscription.show_text else (last[0], "", "")
    return PushNotice(subscription, group_id, seq, name, count, mentions, kind == DIRECT, by, text[:MAX_EXCERPT])


def _last_by_others(
    conn: SqlConnection, group_id: int, user_id: int, after: int, last_seq: int
) -> tuple[int, str, str] | None:
    """(seq, who, text) of the latest message that somebody else wrote whom the user does not block; None where there is none."""
    rows = conn.execute(
        "select e.seq, e.ordinal, e.sender_id, s.name, e.text, e.data from message e join person s on s.id = e.sender_id"
        " where e.group_id = ? and e.seq <= ? order by e.seq desc limit ?",
        (group_id, last_seq, TAIL_EVENTS + 1),
    ).fetchall()
    senders = {row[2] for row in rows} - {user_id}
    blocked = conn.execute(
        f"select blocked_id from block where user_id = ? and blocked_id in ({marks(len(senders))})", (user_id, *senders)
    ).fetchall()
    wanted = senders - {row[0] for row in blocked}
    before = [row[1] for row in rows[1:]] + ([0] if len(rows) <= TAIL_EVENTS else [])
    for (seq, ordinal, sender_id, sender, text, data), ordinal_before in zip(rows, before, strict=False):
        if seq <= after:
            return None
        if ordinal > ordinal_before and sender_id in wanted and data != '{"recalled":true}':
            return seq, sender, text
    return None
