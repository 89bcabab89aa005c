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

AnyJob: TypeAlias = "Job[object]"
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

BulkRunner: TypeAlias = Callable[[SqlConnection, "Sequence[AnyJob]"], Sequence[object]]
"""Runs neighbours of one kind in one call, and answers their values.

It must do what they do one after the other. A job of such a kind raises no Refusal but answers it, since whatever is
raised takes back the whole call; then each job runs alone.
"""


class BatchJob:
    """A job that knows of its batch: commands to one group. A plain class, for which `isinstance` takes 0.05 µs.

    Where others write too, the group, which need not exist yet, is locked before the batch's jobs run.
    """

    __slots__ = ("cheap_commands", "group_id", "run_together")

    def __init__(self, group_id: int) -> None:
        self.group_id = group_id
        self.run_together: BulkRunner | None = None
        """What runs it with its neighbours, if they have the same."""
        self.cheap_commands = 0
        """How many commands it runs, where each takes a few rows by their keys; 0 for others. Known once the batch starts."""

    def on_batch_start(self) -> None:
        """Decide what to do: called in the Trio thread when the transaction is about to start. Must not raise.

        From here on the job cannot be withdrawn.
        """
        raise NotImplementedError

    def on_group_wait(self) -> None:
        """Take in what came since the batch started: called in the database's thread before the job runs, where its group had
        to be waited for. Must not raise.
        """

    def __call__(self, conn: SqlConnection) -> object:
        """Run alone."""
        raise NotImplementedError
