"""One effect per client id: the result of a mutation is kept, and a retry gets it instead of a second effect.

The key is the client id, a UUIDv7 on the server's clock, and whose it is. Time-ordered keys insert at 70 thousand rows a
second where random ones make 24 (3 million rows, measured): the table grows at its end.
"""

import json
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from chatsrv_storage.engine.bulk_sql import execute_rows, query_rows
from chatsrv_storage.engine.clock_history import EVERY_MS, READINGS
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.replies import R, Reply, restored
from chatsrv_storage.row_checksums import checksum_of

KEEP_MS: Final = 7 * 24 * 3600 * 1000
"""For how long a retry finds the first result; an older client id is refused, since nothing is known of it."""

FUTURE_MS: Final = 3600 * 1000
"""How far a client's id may be ahead of the server's clock: further, and it would outlive its row's sweep."""

assert (READINGS - 1) * EVERY_MS >= KEEP_MS, "a result is kept for as long as its retries are valid"


class Once(NamedTuple):
    """Who asks, under which client id, for what: `payload_hash` covers the command without its request id."""

    user_id: int
    client_id: bytes
    payload_hash: bytes


def time_of(client_id: bytes) -> int:
    """The milliseconds since 1970 in a UUIDv7 (RFC 9562, section 5.7)."""
    return int.from_bytes(client_id[:6], "big")


def earlier_result(conn: SqlConnection, once: Once, now_ms: int, reply: type[R]) -> R | None:
    """The first result of this command, or None if it is new. Raises Refusal: conflict, or an id that is no UUIDv7 of now."""
    row = conn.execute(
        "select payload_hash, result from idempotency where user_id = ? and client_id = ?",
        (once.user_id, once.client_id),
    ).fetchone()
    return result_in(row, once, now_ms, reply)


def conflict() -> Refusal:
    """The same client id with another payload."""
    return Refusal("client_id_conflict", "this client id was used for another command: make a new one", "client_id")


def result_in(row: tuple[bytes, str] | None, once: Once, now_ms: int, reply: type[R]) -> R | None:
    """The same, from the row (payload hash, result) under its key, or None where there is none."""
    client_id = once.client_id
    if row is not None:
        if row[0] != once.payload_hash:
            raise conflict()
        return restored(reply, row[1])
    if client_id[6] >> 4 != 7 or client_id[8] >> 6 != 0b10:  # version and variant (RFC 9562, section 4)
        raise Refusal("client_id_expired", "a client id must be a UUIDv7", "client_id")
    age = now_ms - int.from_bytes(client_id[:6], "big")
    if not -FUTURE_MS < age < KEEP_MS:
        sentence = "the time in this client id is too far from the server's clock: use the offset from the handshake"
        raise Refusal("client_id_expired", sentence, "client_id")
    return None


INSERT: Final = "insert into idempotency values (?, ?, ?, ?, ?)"


def row_of(once: Once, result: str) -> tuple[int, bytes, bytes, str, int]:
    """A result as the table holds it; `result` is JSON."""
    user_id, client_id, payload_hash = once
    return user_id, client_id, payload_hash, result, checksum_of(client_id, user_id, payload_hash, result)


def keep(conn: SqlConnection, once: Once, result: Reply) -> None:
    """Store the result of a mutation that took effect."""
    conn.execute(INSERT, row_of(once, json.dumps(result, separators=(",", ":"))))


def earlier_results(conn: SqlConnection, asked: Sequence[Once]) -> dict[tuple[int, bytes], tuple[bytes, str]]:
    """The rows for `result_in` of those that had an effect before, by (user, client id)."""
    rows = query_rows(
        conn, "with asked (u, c) as (", [(once.user_id, once.client_id) for once in asked],
        ") select json_group_array(json_array(i.user_id, hex(i.client_id), hex(i.payload_hash), i.result)) from asked a"
        " join idempotency i on i.user_id = a.u and i.client_id = a.c",
    )  # fmt: skip
    return {
        (user_id, bytes.fromhex(client_id)): (bytes.fromhex(digest), result)
        for user_id, client_id, digest, result in rows
    }


def keep_all(conn: SqlConnection, results: Sequence[tuple[Once, Reply]]) -> None:
    """`keep` for many, in one statement."""
    execute_rows(
        conn, "insert into idempotency",
        [row_of(once, json.dumps(result, separators=(",", ":"))) for once, result in results],
    )  # fmt: skip


def run_once(conn: SqlConnection, once: Once, now_ms: int, reply: type[R], script: Callable[[], R]) -> R:
    """The result of `script`, which runs unless it already did under this client id. A refusal is not kept."""
    earlier = earlier_result(conn, once, now_ms, reply)
    if earlier is not None:
        return earlier
    result = script()
    keep(conn, once, result)
    return result


def droppable_before(now_ms: int, least_ms: int) -> int:
    """The time below which no client id can be valid any more.

    `least_ms` is the least that the clock said in the last `KEEP_MS` of running time (`clock_readings.note`): by a clock
    that is ahead now, results would go while retries of them are valid.
    """
    return max(min(now_ms - KEEP_MS, least_ms) - FUTURE_MS, 0)  # a clock without a battery starts in 1970


def sweep(conn: SqlConnection, before_ms: int, limit: int = 500) -> int:
    """Drop results whose ids are from before a time, at most `limit`; answers how many."""
    rows = conn.execute(
        "select client_id, user_id from idempotency where client_id < ? limit ?", (before_ms.to_bytes(6, "big"), limit)
    ).fetchall()
    conn.executemany("delete from idempotency where client_id = ? and user_id = ?", rows)
    return len(rows)
