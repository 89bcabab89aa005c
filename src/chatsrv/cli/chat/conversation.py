"""The widget that shows a conversation: rows that change in place, and a view that keeps its position.

It sticks to the end only while one is there. Otherwise the topmost row in view keeps its place, whatever is put before
it, after it or into it.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import TYPE_CHECKING, cast

from rich.segment import Segment
from textual.geometry import Size
from textual.message import Message as TextualMessage
from textual.scroll_view import ScrollView
from textual.strip import Strip

from chatsrv.cli.chat.rows import Row

if TYPE_CHECKING:
    from textual.app import App
    from textual.events import Resize


class Conversation(ScrollView, can_focus=False):
    """Rows of a conversation, wrapped to the width there is."""

    class ReachedTop(TextualMessage):
        """The first row came into view: older ones may be wanted."""

    class ReachedEnd(TextualMessage):
        """The last row came into view."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self._rows: list[Row] = []
        self._strips: dict[str, list[Strip]] = {}
        self._tops: list[int] = [0]
        self._measured_width = 0
        self._at_end = True

    @property
    def rows(self) -> list[Row]:
        """What is shown, in order."""
        return self._rows

    @property
    def is_at_end(self) -> bool:
        """Whether the last row is in view."""
        return self._at_end

    @property
    def is_near_top(self) -> bool:
        """Whether the first row is within a screen of what is in view."""
        return self._top <= self._height

    @property
    def row_at_top(self) -> str | None:
        """The key of the topmost row in view."""
        return self._anchor()[0]

    def set_rows(self, rows: Iterable[Row]) -> None:
        """Show these rows; the topmost row in view stays where it is, or the end does while one is there."""
        known = {row.key: row for row in self._rows}
        self._change([*rows], keep={key: strips for key, strips in self._strips.items() if key in known})

    def open_rows(self, rows: Iterable[Row], at: str | None) -> None:
        """Show another conversation, with the row `at` in view near the top, or at its end."""
        self._rows, self._strips, self._tops = [], {}, [0]
        self._at_end = True
        self._change([*rows], keep={})
        if at is not None:
            self.show_row(at)

    def append_row(self, row: Row) -> None:
        """Add a row at the end."""
        self._change([*self._rows, row], keep=self._strips)

    def show_row(self, key: str) -> None:
        """Scroll to a row."""
        place = next((place for place, row in enumerate(self._rows) if row.key == key), None)
        if place is not None:
            self._look_at(max(self._tops[place] - 2, 0))

    def show_end(self) -> None:
        """Scroll to the end, and stay there."""
        self._look_at(self._max_top)

    def scroll_pages(self, pages: int) -> None:
        """Scroll by whole screens, less two lines."""
        self._look_at(self._top + pages * max(self._height - 2, 1))

    # How it is drawn.

    def render_line(self, y: int) -> Strip:
        """Return one line of the screen."""
        width = self._measured_width
        line = self._top + y
        place = bisect_right(self._tops, line) - 1
        if not 0 <= place < len(self._rows):
            return Strip.blank(width, self.rich_style)
        strip = self._strips[self._rows[place].key][line - self._tops[place]]
        return strip.crop_extend(0, width, self.rich_style).apply_style(self.rich_style)

    def on_resize(self, event: "Resize") -> None:
        """Wrap everything anew."""
        del event
        self._change(self._rows, keep={})

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Note where one looks, and tell when an end is reached."""
        super().watch_scroll_y(old_value, new_value)
        was = self._at_end
        self._at_end = self._top >= self._max_top
        if self._at_end and not was:
            self.post_message(self.ReachedEnd())
        elif self.is_near_top and new_value < old_value:
            self.post_message(self.ReachedTop())

    @property
    def _top(self) -> int:
        return self.scroll_offset.y

    @property
    def _height(self) -> int:
        return self.scrollable_content_region.height

    @property
    def _max_top(self) -> int:
        return max(self._tops[-1] - self._height, 0)

    def _change(self, rows: list[Row], keep: dict[str, list[Strip]]) -> None:
        width = self.scrollable_content_region.width
        anchor, within = self._anchor()
        before = {row.key: row for row in self._rows}
        keep = keep if width == self._measured_width else {}
        self._measured_width = width
        self._strips = {
            row.key: keep[row.key] if row.key in keep and before.get(row.key) is row else self._wrap(row, width)
            for row in rows
        }
        self._rows = rows
        self._tops = [0, *accumulate(len(self._strips[row.key]) for row in rows)]
        at_end = self._at_end
        self.virtual_size = Size(width, self._tops[-1])
        if at_end:
            self._look_at(self._max_top)
        elif anchor is not None:
            places = {row.key: place for place, row in enumerate(rows)}
            if anchor in places:
                self._look_at(self._tops[places[anchor]] + within)
        self.refresh()

    def _anchor(self) -> tuple[str | None, int]:
        place = bisect_right(self._tops, self._top) - 1
        if not 0 <= place < len(self._rows):
            return None, 0
        return self._rows[place].key, self._top - self._tops[place]

    def _look_at(self, line: int) -> None:
        line = min(max(line, 0), self._max_top)
        self._at_end = line >= self._max_top
        self.scroll_to(y=line, animate=False, force=True, immediate=True)

    def _wrap(self, row: Row, width: int) -> list[Strip]:
        if not width:
            return [Strip.blank(0)]
        console = cast("App[None]", self.app).console
        lines = console.render_lines(row.content, console.options.update(width=width, height=None), pad=False)
        return [Strip([Segment(text, style) for text, style, _ in line]) for line in lines] or [Strip.blank(0)]
