"""What the storage raises: refusals of single changes, and the failures that stop a server or keep it from starting.

Every message is a sentence for a person: what happened, where, and what to do about it.
"""


class Refusal(Exception):
    """The one error a job raises when its change must not happen; only that job is rolled back.

    code:        a stable machine-readable word, e.g. "not_a_member".
    message:     a sentence for a person.
    field:       the argument at fault, or None.
    retry_after: seconds after which it can succeed; 0 where nothing is known, or trying again will not help.
    """

    def __init__(self, code: str, message: str, field: str | None = None, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after


class StorageFull(Refusal):
    """The disk (or a quota) is full: nothing of this job is stored, reads go on, space heals it without a restart."""

    def __init__(self) -> None:
        super().__init__("storage_full", "The server's disk is full: nothing was stored. Try again later.")


class StorageBusy(Refusal):
    """Another program (a `sqlite3` shell, say) kept the database's write lock for too long; nothing was stored."""

    def __init__(self) -> None:
        super().__init__("storage_busy", "Another program is writing to the server's database. Try again later.")


class StorageUnavailable(Refusal):
    """The database cannot be reached, or takes no changes at the moment; nothing of this job is stored."""

    def __init__(self) -> None:
        super().__init__(
            "storage_busy", "The server's database is not there at the moment: try again.", retry_after=2.0
        )


class QueryTooLong(Refusal):
    """A query with a deadline was stopped by it."""

    def __init__(
        self, message: str = "This search takes too long: use rarer or fewer words, or search one group."
    ) -> None:
        super().__init__("storage_busy", message, retry_after=1.0)


class TooManyWaiting(Refusal):
    """A query was not begun: others are served before, or too many of the same caller wait."""

    def __init__(self) -> None:
        super().__init__("storage_busy", "The server has too much to read at the moment: try again.", retry_after=1.0)


class BackupFailed(Refusal):
    """No backup was made, and nothing was left behind."""

    def __init__(self, message: str) -> None:
        super().__init__("backup_failed", message)


class StorageFailed(Exception):
    """The storage broke (I/O error, failed fsync, corruption): the server has to stop, and the change is not acked.

    Whether the change is in the database after a restart is unknown; a client learns it by retrying with the same
    client id. The cause is `__cause__`.
    """


class FolderError(Exception):
    """The place of the data cannot be used; the message says which, why and what to do."""


class DatabaseUnusable(FolderError):
    """A database server that cannot be reached, is set up in another way, or is not ours. No password is in the message."""


class FolderUnusable(FolderError):
    """Not a folder, not writable, or on a filesystem that SQLite's WAL does not work on."""


class FolderInUse(FolderError):
    """Another server (in this process or another) holds the folder."""


class SchemaTooNew(FolderError):
    """A newer chatsrv wrote the folder."""


class FolderDamaged(FolderError):
    """The database file is not one of ours, is truncated, or is corrupt."""
