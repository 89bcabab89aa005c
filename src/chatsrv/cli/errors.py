"""How a command ends: 0 done, 1 refused or failed, 2 not understood, 3 the server cannot be reached, 130 control-C.

One place turns every exception into a code and a sentence; commands only raise.
"""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple, cast

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130


class Failure(Exception):
    """The end of a command, with its exit code and a sentence for a person."""

    def __init__(self, sentence: str, exit_code: int = REFUSED, *, code: str = "failed") -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
        self.code = code


def usage(sentence: str) -> Failure:
    """Return the failure of a command that was not understood."""
    return Failure(sentence, USAGE, code="usage")


class Ending(NamedTuple):
    """What is said, and the exit code. `retry_after`: the least wait in seconds before it can succeed; 0: unknown."""

    exit_code: int
    code: str
    message: str
    at: str | None = None
    retry_after: float = 0.0

    @property
    def sentence(self) -> str:
        """For a person."""
        return self.message + (f": again in {duration(self.retry_after)}" if self.retry_after else "")

    def record(self) -> dict[str, object]:
        """Return the failure as a record for a program."""
        record: dict[str, object] = {"error": self.code, "message": self.message}
        if self.at is not None:
            record["at"] = self.at
        if self.retry_after:
            record["retry_after"] = self.retry_after
        return record


def duration(seconds: float) -> str:
    """Return a wait for a person, rounded up: `12 s`, `3 min`, `2 h`, `5 days`."""
    for size, unit, most in ((1, "s", 120), (60, "min", 120), (3600, "h", 48)):
        if (count := math.ceil(seconds / size)) <= most:
            return f"{count} {unit}"
    return f"{math.ceil(seconds / 86_400)} days"


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions inside a group; nurseries wrap even a single one."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for inner in group.exceptions:
            yield from leaves(inner)
    else:
        yield error
