"""Where results go: lines for a person or objects for a program on standard output, everything else on standard error.

Nothing of what people wrote is ever read as rich markup, and all of it is neutralised (terminal_escape.py).
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from chatsrv.cli.terminal_escape import json_line, neutralise, neutralise_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")


_NARROWEST_NAME = 4

_SHRINKING = frozenset(
    ("by", "called", "device", "file", "group", "last", "name", "what", "what it does", "who", "command")
)
"""Heads of columns that hold names or texts, and are cut where a line is too long."""


def colour_of(name: str) -> str:
    """Return the colour of a name, always the same."""
    return COLOURS[sum(name.encode("utf-8", "replace")) % len(COLOURS)]


def _shrunk(heads: Sequence[str], widths: Sequence[int], room: int) -> list[int]:
    """Return widths that fit into `room`, as far as names can be cut for it: the widest first, none below four."""
    limits = list(widths)
    names = [place for place, head in enumerate(heads) if head in _SHRINKING]
    while sum(limits) > room and names:
        widest = max(names, key=lambda place: limits[place])
        if limits[widest] <= _NARROWEST_NAME:
            break
        limits[widest] -= 1
    return limits


class Output:
    """The output of one command: `json` objects, one a line, or text. Lines are flushed, since `tail` is piped."""

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self._console: Console | None = None

    def record(self, record: Mapping[str, object]) -> None:
        """Print an object as JSON on one line."""
        sys.stdout.write(json_line(record) + "\n")
        sys.stdout.flush()

    def say(self, sentence: str, **record: object) -> None:
        """Print the result of a command: a sentence, or with --json the record that says the same."""
        if self.json:
            self.record(record)
        else:
            self.line(sentence)

    def line(self, text: str) -> None:
        """Print one line of plain text."""
        self.emit(neutralise(text))

    def emit(self, what: "str | Text | Table") -> None:
        """Show something that is safe already; everything for a person goes through here."""
        if isinstance(what, str):
            sys.stdout.write(what + "\n")
            sys.stdout.flush()
        else:
            self.console.print(what, soft_wrap=not self.colours)

    @property
    def colours(self) -> bool:
        """Whether a person looks at it."""
        return sys.stdout.isatty()

    def spoken(self, when: str, who: str, text: str, *, where: str = "", notice: bool = False) -> None:
        """Print a message or a notice: on a terminal with colours, in a pipe without."""
        where = f"[{neutralise(where)}] " if where else ""
        who, text = neutralise(who), neutralise_lines(text)
        if not self.colours:
            self.emit(f"{when} {where}* {who} {text}" if notice else f"{when} {where}{who}: {text}")
            return
        from rich.text import Text

        line = Text.assemble((f"{when} ", "dim"), (where, "dim"))
        if notice:
            line.append(f"* {who} {text}", "dim italic")
        else:
            line.append(f"{who}: ", f"bold {colour_of(who)}").append(text)
        self.emit(line)

    def table(
        self, heads: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str = "", wrap_last: bool = False
    ) -> None:
        """Show rows under heads. In a pipe the columns are as wide as they need to be.

        On a narrow terminal only names and texts are cut, never ids, numbers and times. Without rows, `empty` is
        remarked. `wrap_last`: the last column goes on in the next line instead of being cut.
        """
        from rich.table import Table
        from rich.text import Text

        cells = [[Text(neutralise(cell)) for cell in row] for row in rows]
        if not cells and empty:
            self.note(empty)
            return
        widths = [max((row[place].cell_len for row in cells), default=0) for place in range(len(heads))]
        widths = [max(width, len(head)) for width, head in zip(widths, heads, strict=True)]
        limits = _shrunk(heads, widths, self.console.width - 2 * (len(heads) - 1)) if self.colours else widths
        table = Table(box=None, pad_edge=False, header_style="bold")
        for place, (head, width) in enumerate(zip(heads, limits, strict=True)):
            if wrap_last and place == len(heads) - 1:
                table.add_column(head, overflow="fold")
            else:
                table.add_column(head, no_wrap=True, overflow="ellipsis", width=width)
        for row in cells:
            table.add_row(*row)
        self.emit(table)

    def note(self, sentence: str) -> None:
        """Print a remark beside the results, for a person, on standard error."""
        sys.stderr.write(neutralise(sentence) + "\n")
        sys.stderr.flush()

    @property
    def console(self) -> "Console":
        """Rich on standard output, made when it is first needed."""
        if self._console is None:
            from rich.console import Console

            width = None if sys.stdout.isatty() else 400
            self._console = Console(markup=False, highlight=False, emoji=False, width=width)
        return self._console
