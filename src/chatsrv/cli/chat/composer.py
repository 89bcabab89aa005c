"""The input box of a chat: several lines, Enter sends, Tab completes, and earlier lines can be fetched back."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.message import Message as TextualMessage
from textual.widgets import TextArea

if TYPE_CHECKING:
    from textual.events import Key

MAX_HISTORY: Final = 200
"""Sent lines that can be fetched back with the up key."""

Completer = Callable[[str], tuple[int, list[str]]]
"""For what stands before the cursor on its line: how much of it is replaced, and by what."""


class Composer(TextArea):
    """A text area of one to six lines."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+j", "newline", "new line", show=False)]

    class Submitted(TextualMessage):
        """Enter was pressed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, name: str, complete: Completer, *, placeholder: str) -> None:
        super().__init__(id=name, placeholder=placeholder, soft_wrap=True, compact=True, show_line_numbers=False)
        self._complete = complete
        self._history: list[str] = []
        self._place = 0
        self._draft = ""
        self._choices: list[str] = []
        self._chosen = 0

    def sent(self, text: str) -> None:
        """Empty the box after its text was taken, and remember the text."""
        if text.strip() and (not self._history or self._history[-1] != text):
            self._history = [*self._history, text][-MAX_HISTORY:]
        self._place = len(self._history)
        self._draft = ""
        self.clear()

    def action_newline(self) -> None:
        """Begin another line."""
        self.insert("\n")

    async def _on_key(self, event: "Key") -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Submitted(self.text))
        elif event.key in ("shift+enter", "alt+enter", "ctrl+j"):
            event.stop()
            event.prevent_default()
            self.action_newline()
        elif event.key == "tab":
            event.stop()
            event.prevent_default()
            self._next_choice()
        elif event.key == "up" and self.cursor_location[0] == 0:
            event.stop()
            event.prevent_default()
            self._recall(-1)
        elif event.key == "down" and self.cursor_location[0] == self.document.line_count - 1:
            event.stop()
            event.prevent_default()
            self._recall(1)
        else:
            await super()._on_key(event)
        if event.key != "tab":
            self._choices = []

    def _next_choice(self) -> None:
        """Put in the first completion; pressed again, the next one."""
        row, column = self.cursor_location
        if self._choices:
            replaced = len(self._choices[self._chosen])
            self._chosen = (self._chosen + 1) % len(self._choices)
        else:
            replaced, self._choices = self._complete(self.document.get_line(row)[:column])
            self._chosen = 0
        if self._choices:
            self.replace(self._choices[self._chosen], (row, column - replaced), (row, column))
            self.move_cursor((row, column - replaced + len(self._choices[self._chosen])))

    def _recall(self, by: int) -> None:
        """Fetch back an earlier text, or the one that was being written."""
        place = self._place + by
        if not 0 <= place <= len(self._history):
            return
        if self._place == len(self._history):
            self._draft = self.text
        self._place = place
        self.text = self._draft if place == len(self._history) else self._history[place]
        self.move_cursor(self.document.end)
