"""How a command ends: 0 done, 1 refused or failed, 2 not understood, 3 the server cannot be reached, 130 control-C.

One place turns every exception into a code and a sentence; commands only raise.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, cast

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
    """The command was not understood."""
    return Failure(sentence, USAGE, code="usage")


class Ending(NamedTuple):
    """What is said, and the exit code."""

    exit_code: int
    code: str
    sentence: str
    at: str | None = None

    def record(self) -> dict[str, Any]:
        """The same for a program."""
        record = {"error": self.code, "message": self.sentence}
        return record if self.at is None else {**record, "at": self.at}


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions inside a group; nurseries wrap even a single one."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for inner in group.exceptions:
            yield from leaves(inner)
    else:
        yield error
