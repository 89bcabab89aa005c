"""What a migration does besides its SQL: steps in Python, each in the transaction of the migration of its name.

For what SQL alone cannot compute, a checksum for instance. A step is never changed once its migration is released.
"""

from collections.abc import Callable
from typing import Final

from chatsrv_storage.engine.jobs import Driver, SqlConnection
from chatsrv_storage.groups.models import checksum
from chatsrv_storage.row_checksums import seal_all

NUL: Final = "\0"


def remove_nul(connection: Driver) -> None:
    """Take U+0000 out of every text that people wrote. A text of nothing else becomes one replacement character."""
    for row in connection.execute(
        "select group_id, seq, id, sender_id, kind, text, data from message where instr(text, char(0))"
    ).fetchall():
        group_id, seq, message_id, sender_id, kind, text, data = row
        clean = without_nul(text)
        connection.execute(
            "update message set text = ?, checksum = ? where group_id = ? and seq = ?",
            (clean, checksum(group_id, seq, message_id, sender_id, kind, clean, data), group_id, seq),
        )
    _clean(connection, "message_edit", "text", ("group_id", "seq", "edited_seq"))
    _clean(connection, "chat_group", "notice", ("id",))
    _clean(connection, "join_request", "note", ("group_id", "user_id"))
    _clean(connection, "redpack", "greeting", ("id",))


def without_nul(text: str) -> str:
    """Return the text without U+0000; U+FFFD where nothing is left of it."""
    return text.replace(NUL, "") or "\N{REPLACEMENT CHARACTER}"


def _clean(connection: SqlConnection, table: str, column: str, key: tuple[str, ...]) -> None:
    """Clean a column that no checksum covers; `key` names the columns that find a row."""
    keys = ", ".join(key)
    for text, *place in connection.execute(
        f"select {column}, {keys} from {table} where instr({column}, char(0))"
    ).fetchall():
        where = " and ".join(f"{name} = ?" for name in key)
        connection.execute(f"update {table} set {column} = ? where {where}", (without_nul(text), *place))


STEPS: Final[dict[str, Callable[[Driver], None]]] = {"no_nul": remove_nul, "row_checksums": seal_all}
"""The step of each migration that has one, by the migration's name."""
