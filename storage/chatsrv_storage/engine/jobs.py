"""What a job is: a plain synchronous function of a connection, and the little of a connection that it may use.

A job reads, checks and writes, and returns plain values (never a cursor: it would hold the snapshot open). It raises
`Refusal` when its change must not happen. It never begins, commits or rolls back: the writer does. It never catches
`sqlite3.OperationalError`: the writer must see a full disk. It may run on any driver that offers these methods, so it
does without `rowcount` and `lastrowid` (use RETURNING).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

SqlValue: TypeAlias = str | bytes | int | float | None
Parameters: TypeAlias = Sequence[SqlValue] | Mapping[str, SqlValue]
Row: TypeAlias = tuple[Any, ...]
JsonRow: TypeAlias = list[Any]
"""A row that came as a JSON array."""

AnyJob: TypeAlias = "Job[Any]"
"""A job among others of a batch, whose values are their callers' business."""


class Cursor(Protocol):
    """The rows of one statement; iterate it or fetch, and let go of it before the job returns."""

    def fetchone(self) -> Any: ...  # a Row or None; unchecked, since `select count(*)` always has one
    def fetchall(self) -> list[Row]: ...
    def __iter__(self) -> Iterator[Row]: ...


class SqlConnection(Protocol):
    """All that a job may ask of the database."""

    def execute(self, sql: str, params: Parameters = ..., /) -> Cursor: ...
    def executemany(self, sql: str, rows: Iterable[Parameters], /) -> Cursor: ...


class Driver(SqlConnection, Protocol):
    """What the storage itself needs besides: `sqlite3.Connection` has it; errors must be `sqlite3.Error`s."""

    @property
    def in_transaction(self) -> bool: ...
    @property
    def total_changes(self) -> int: ...
    def close(self) -> None: ...


Job: TypeAlias = Callable[[SqlConnection], T]

BulkRunner: TypeAlias = Callable[[SqlConnection, Sequence[Any]], list[Any]]
"""What a kind of job may offer as `run_together`: neighbours of the kind in one call, and their values.

It must do what they do one after the other. A job of such a kind raises no Refusal but answers it, since whatever is
raised takes back the whole call; then each job runs alone.
"""


class GroupBound(Protocol):
    """A job that changes one group: where others write too, the group is locked before the batch's jobs run."""

    @property
    def group_id(self) -> int:
        """The group, which need not exist yet."""
        ...


class BatchAware(Protocol):
    """What a job may have besides: it is told when its transaction is about to start, and decides then what to do."""

    def on_batch_start(self) -> None:
        """Called in the Trio thread. From here on the job cannot be withdrawn. Must not raise."""
        ...
