"""The audit log: what operators did, each row chained to the one before by its hash, so that a gap or change shows."""

import hashlib
import json
from collections.abc import Callable, Iterator

from chatsrv_storage.engine.shared import lock_name
from chatsrv_storage.interface import SqlConnection


def _chain(before: bytes, *fields: object) -> bytes:
    return hashlib.sha256(before + json.dumps(fields, ensure_ascii=False).encode()).digest()


def note(conn: SqlConnection, now_ms: int, actor: str, action: str, subject: str, detail: str = "") -> None:
    """Add a row: who did what to whom. Part of the transaction of what it describes."""
    lock_name(conn, "audit")
    last = conn.execute("select id, chain from audit order by id desc limit 1").fetchone()
    number, before = (last[0] + 1, last[1]) if last is not None else (1, b"")
    chain = _chain(before, number, now_ms, actor, action, subject, detail)
    conn.execute(
        "insert into audit values (?, ?, ?, ?, ?, ?, ?)", (number, now_ms, actor, action, subject, detail, chain)
    )


def head(conn: SqlConnection) -> tuple[int, str]:
    """Return (number of the last row, its chain as hex); (0, "") for an empty log."""
    last = conn.execute("select id, chain from audit order by id desc limit 1").fetchone()
    return (0, "") if last is None else (last[0], last[1].hex())


def expect_head(expected: str) -> Callable[[SqlConnection], Iterator[str]]:
    """Return a check that the log still holds the row with this chain (hex, as `head` returns it)."""

    def check_head(conn: SqlConnection) -> Iterator[str]:
        try:
            chain = bytes.fromhex(expected)
        except ValueError:
            chain = b""
        if conn.execute("select 1 from audit where chain = ?", (chain,)).fetchone() is None:
            yield f"audit: no row has the hash {expected}: the log was cut or written anew"

    return check_head


def check(conn: SqlConnection) -> Iterator[str]:
    """Yield in words every row whose chain does not follow from the row before."""
    before, expected = b"", 1
    for number, at, actor, action, subject, detail, chain in conn.execute("select * from audit order by id"):
        if number != expected:
            yield f"audit: row {expected} is missing"
        elif _chain(before, number, at, actor, action, subject, detail) != chain:
            yield f"audit: row {number} was changed, or follows another row than it says"
        before, expected = chain, number + 1
