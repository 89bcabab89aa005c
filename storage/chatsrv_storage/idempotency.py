"""One effect per client id: the result of a mutation is kept, and a retry gets it instead of a second effect.

The key is the client id, a UUIDv7 on the server's clock, and whose it is. Time-ordered keys insert at 70 thousand rows a
second where random ones make 24 (3 million rows, measured): the table grows at its end.
"""

import json
from collections.abc import Callable, Iterable, Sequence
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
    """Who asks, under which client id, for what: `payload_hash` covers the command as it came, without its request id.

    `older_hash` answers what a version before 0.2.0 stored for the same command.
    """

    user_id: int
    client_id: bytes
    payload_hash: bytes
    older_hash: Callable[[], bytes] | None = None

    def is_same_payload(self, stored: bytes) -> bool:
        """Whether the command that left this hash is the one asked for now.

        Versions before 0.2.0 hashed a second encoding. Their rows live for KEEP_MS after the upgrade: `older_hash` can be
        deleted in 0.4.0, to which nobody upgrades from 0.1 directly.
        """
        return stored == self.payload_hash or (self.older_hash is not None and stored == self.older_hash())


def time_of(client_id: bytes) -> int:
    """Return the milliseconds since 1970 in a UUIDv7 (RFC 9562, section 5.7)."""
    return int.from_bytes(client_id[:6], "big")


def require_same_payload(once: Once, stored: bytes) -> None:
    """Raise Refusal where the same client id was used with another payload."""
    if not once.is_same_payload(stored):
        sentence = "this client id was used for another command: make a new one"
        raise Refusal("client_id_conflict", sentence, "client_id")


def _require_valid(client_id: bytes, now_ms: int) -> None:
    """Raise Refusal for what is no UUIDv7 of now."""
    if client_id[6] >> 4 != 7 or client_id[8] >> 6 != 0b10:  # version and variant (RFC 9562, section 4)
        raise Refusal("client_id_expired", "a client id must be a UUIDv7", "client_id")
    age = now_ms - int.from_bytes(client_id[:6], "big")
    if not -FUTURE_MS < age < KEEP_MS:
        sentence = "the time in this client id is too far from the server's clock: use the offset from the handshake"
        raise Refusal("client_id_expired", sentence, "client_id")


_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode
"""A reply as it is kept. `json.dumps` makes an encoder for each call."""

_ONE: Final = "select payload_hash, result from idempotency where user_id = ? and client_id = ?"
_MANY: Final = (
    ") select json_group_array(json_array(i.user_id, hex(i.client_id), hex(i.payload_hash), i.result)) from asked a"
    " join idempotency i on i.user_id = a.u and i.client_id = a.c"
)


_UNKNOWN: Final = (b"", "")


class IdempotencyGate:
    """What every command with a client id passes, within one transaction: its earlier result, or the way in.

    Results of this transaction are found at once and written together by `write`. A command that is refused leaves
    nothing. What was read ahead is not asked for again.
    """

    __slots__ = ("_conn", "_known", "_new")

    def __init__(self, conn: SqlConnection) -> None:
        self._conn = conn
        self._known: dict[tuple[int, bytes], tuple[bytes, str] | None] = {}
        self._new: list[tuple[int, bytes, bytes, str, int]] = []

    def preload(self, asked: Sequence[Once]) -> None:
        """Read the earlier results of all these in one statement; for a single one `earlier` is quicker."""
        known = self._known
        unknown = [key for key in dict.fromkeys([(once[0], once[1]) for once in asked]) if key not in known]
        if len(unknown) < 2:
            return
        self.look_up(unknown)
        for row in query_rows(self._conn, "with asked (u, c) as (", unknown, _MANY):
            self.found(*row)

    def look_up(self, keys: Iterable[tuple[int, bytes]]) -> None:
        """Take note that a statement looks for results under these keys: where `found` names none, there is none."""
        self._known = dict.fromkeys(keys) | self._known

    def found(self, user_id: int, client_id: str, payload_hash: str, result: str) -> None:
        """Take what a statement found under a key, in hexadecimal digits. What is known stays as it is."""
        key = user_id, bytes.fromhex(client_id)
        self._known[key] = self._known.get(key) or (bytes.fromhex(payload_hash), result)

    def earlier(self, once: Once, now_ms: int, reply: type[R]) -> R | None:
        """Return the first result of this command, or None if it is new.

        Raises Refusal: another payload under the same client id, or an id that is no UUIDv7 of now.
        """
        key = once[:2]
        row = self._known.get(key, _UNKNOWN)
        if row is _UNKNOWN:
            row = self._conn.execute(_ONE, key).fetchone()
        if row is None:
            _require_valid(once.client_id, now_ms)
            return None
        require_same_payload(once, row[0])
        return restored(reply, row[1])

    def keep(self, once: Once, result: Reply) -> None:
        """Keep the result of a command that takes effect."""
        self.keep_encoded(once, _ENCODE(result))

    def keep_encoded(self, once: Once, result: str) -> None:
        """Keep a reply as `keep` does, which is JSON already."""
        user_id, client_id, payload_hash, _ = once
        self._known[user_id, client_id] = payload_hash, result
        self._new.append(
            (user_id, client_id, payload_hash, result, checksum_of(client_id, user_id, payload_hash, result))
        )

    def run(self, once: Once, now_ms: int, reply: type[R], script: Callable[[], R]) -> R:
        """Run `script` unless it already ran under this client id, and return its result. A refusal is not kept."""
        earlier = self.earlier(once, now_ms, reply)
        if earlier is not None:
            return earlier
        result = script()
        self.keep(once, result)
        return result

    def write(self) -> None:
        """Write the results that were kept since the last time, in one statement."""
        if self._new:
            execute_rows(self._conn, "insert into idempotency", self._new)
            self._new.clear()


def earlier_result(conn: SqlConnection, once: Once, now_ms: int, reply: type[R]) -> R | None:
    """Return what `IdempotencyGate.earlier` does, for one command, by a read."""
    return IdempotencyGate(conn).earlier(once, now_ms, reply)


def run_once(conn: SqlConnection, once: Once, now_ms: int, reply: type[R], script: Callable[[], R]) -> R:
    """Run what `IdempotencyGate.run` does, for one command that changes no group."""
    gate = IdempotencyGate(conn)
    result = gate.run(once, now_ms, reply, script)
    gate.write()
    return result


def droppable_before(now_ms: int, least_ms: int) -> int:
    """Return the time below which no client id can be valid any more.

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
