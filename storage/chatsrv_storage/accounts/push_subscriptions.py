"""Subscriptions to Web Push: one per session, ended with it; and the server's own key."""

from typing import Final

import attrs

from chatsrv_storage.engine.shared import lock_people
from chatsrv_storage.interface import SqlConnection

MAX_PER_USER: Final = 10
"""Devices of one user that get notifications; the oldest gives way."""


@attrs.frozen(slots=True)
class PushSubscription:
    """Where one session's device gets notifications, and its keys."""

    session_id: int
    user_id: int
    endpoint: str = attrs.field(repr=False)
    """A URL that is as good as a password: in no log."""
    p256dh: bytes = attrs.field(repr=False)
    auth: bytes = attrs.field(repr=False)
    show_text: bool


def subscribe(conn: SqlConnection, subscription: PushSubscription, now_ms: int) -> None:
    """Store a session's subscription in place of the one it had, and of another session's with the same endpoint.

    A browser has one endpoint for everybody who logs in there: who came last gets what comes.
    """
    session_id, user_id = subscription.session_id, subscription.user_id
    lock_people(conn, [user_id])
    conn.execute(
        "delete from push_subscription where session_id = ? or endpoint = ?", (session_id, subscription.endpoint)
    )
    conn.execute(
        "insert into push_subscription (session_id, user_id, endpoint, p256dh, auth, show_text, made_at)"
        " select ?, ?, ?, ?, ?, ?, ? where exists (select 1 from session where id = ?)",
        (
            *(session_id, user_id, subscription.endpoint, subscription.p256dh, subscription.auth),
            *(int(subscription.show_text), now_ms, session_id),
        ),
    )
    conn.execute(
        "delete from push_subscription where session_id in (select session_id from push_subscription where user_id = ?"
        " order by made_at desc, session_id desc limit ? offset ?)",
        (user_id, 1 << 40, MAX_PER_USER),
    )


def unsubscribe(conn: SqlConnection, session_id: int) -> None:
    """End a session's subscription, if it has one."""
    conn.execute("delete from push_subscription where session_id = ?", (session_id,))


def end(conn: SqlConnection, subscription: PushSubscription) -> None:
    """End this very subscription: the session may have another one by now."""
    conn.execute(
        "delete from push_subscription where session_id = ? and endpoint = ?",
        (subscription.session_id, subscription.endpoint),
    )


def of_session(conn: SqlConnection, session_id: int) -> PushSubscription | None:
    """Return the subscription of a session; None where it has none."""
    row = conn.execute(
        "select session_id, user_id, endpoint, p256dh, auth, show_text from push_subscription where session_id = ?",
        (session_id,),
    ).fetchone()
    return None if row is None else PushSubscription(*row[:5], show_text=bool(row[5]))


def any_subscription(conn: SqlConnection) -> bool:
    """Whether anybody has a subscription."""
    return conn.execute("select 1 from push_subscription limit 1").fetchone() is not None


def server_key(conn: SqlConnection) -> bytes | None:
    """Return the private key with which all nodes of this server sign for push services; None before it was made."""
    row = conn.execute("select scalar from push_key").fetchone()
    return None if row is None else bytes(row[0])


def make_server_key(conn: SqlConnection, scalar: bytes) -> bytes:
    """Store this private key unless there is one; answers the one that is stored."""
    conn.execute("insert into push_key (one, scalar) values (1, ?) on conflict do nothing", (scalar,))
    kept = server_key(conn)
    assert kept is not None
    return kept
