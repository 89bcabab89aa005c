"""The rows of a conversation: messages as they are now, notices, days, and 'new from here'. No widget, no I/O."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import attrs
from rich.text import Text

from chatsrv.cli.chat.room import PendingLine, Room, message_changed_by
from chatsrv.cli.commands.media import half_blocks
from chatsrv.cli.events import clock, sentence_of
from chatsrv.cli.output import colour_of
from chatsrv.cli.terminal_escape import neutralise, neutralise_lines
from chatsrv_protocol import UnknownEvent
from chatsrv_protocol.messages import Message, MessageExtra

if TYPE_CHECKING:
    from rich.table import Table

    from chatsrv.client.events import SequenceEvent

PICTURE_COLUMNS: Final = 24
"""Width of the small picture that a message with an image or a film carries."""

NEW_FROM_HERE: Final = "── new from here ──"


@attrs.frozen(slots=True)
class Row:
    """One row: a key that stays the same while its content changes, and what is shown."""

    key: str
    content: "Text | Table"

    @property
    def plain(self) -> str:
        """Its text alone."""
        return self.content.plain if isinstance(self.content, Text) else str(self.content)


def rows_of(room: Room, notes: Sequence[tuple[int, Row]] = ()) -> list[Row]:
    """Return all rows of a group as it is now, the oldest first; each note stands after the event that was the newest then."""
    rows: list[Row] = []
    noted = 0
    day = ""
    divided = not room.new_after
    for seq in sorted(room.events):
        event = room.events[seq]
        while noted < len(notes) and notes[noted][0] < seq:
            rows.append(notes[noted][1])
            noted += 1
        if message_changed_by(event):
            continue
        if (today := day_of(event)) != day:
            day = today
            rows.append(day_row(day))
        if not divided and seq > room.new_after and isinstance(event, Message):
            divided = True
            rows.append(Row("new", Text(NEW_FROM_HERE, "bold yellow")))
        rows.append(event_row(room, event))
    rows += [row for _, row in notes[noted:]]
    rows += [pending_row(line) for line in room.pending]
    return rows


def pending_row(line: PendingLine) -> Row:
    """Return the row of a line that waits for the server, or was refused."""
    mark = ("✗ not sent: ", "bold red") if line.refused else ("◷ ", "yellow")
    return Row(f"pending {line.number}", Text.assemble(mark, (neutralise_lines(line.text), "dim")))


def day_of(event: "SequenceEvent") -> str:
    """Return the local date of an event, as a heading; empty for an event without a time."""
    if isinstance(event, UnknownEvent):
        return ""
    return time.strftime("%A, %d %B %Y", time.localtime(event.sent_at / 1000))


def day_row(day: str) -> Row:
    """Return the heading of a day."""
    return Row(f"day {day}", Text(f"─── {day} ───", "dim"))


def event_row(room: Room, event: "SequenceEvent") -> Row:
    """Return the row of a message as it is now, or of a notice."""
    current = _current(room, event)
    who, what, notice = sentence_of(current)
    who, what = neutralise(who), neutralise_lines(what)
    when = clock(event.sent_at)[:5] if not isinstance(event, UnknownEvent) else ""
    line = Text.assemble((f"#{event.seq} {when} ", "dim"))
    if notice:
        line.append(f"* {who} {what}", "dim italic")
        return Row(str(event.seq), line)
    line.append(f"{who}: ", f"bold {colour_of(who)}").append(what)
    if room.calls_me(event):
        line.append("  @you", "bold red")
    if isinstance(event, Message) and event.packet is not None:
        line.append("  (control-G opens it)", "bold red")
    _append_reactions(room, event, line)
    picture = half_blocks(event.media, PICTURE_COLUMNS) if isinstance(event, Message) else None
    return Row(str(event.seq), line if picture is None else line.append("\n").append_text(picture))


def _append_reactions(room: Room, event: "SequenceEvent", line: Text) -> None:
    shown = room.view.message(event.seq)
    if shown is None:
        return
    if shown.reactions:
        line.append("  " + " ".join(f"{neutralise(emoji)}{len(users)}" for emoji, users in shown.reactions), "cyan")
    if shown.pinned:
        line.append("  [pinned]", "dim")


def _current(room: Room, event: "SequenceEvent") -> "SequenceEvent":
    """Return a message with the text and the quote that it has by now; any other event as it is."""
    if not isinstance(event, Message):
        return event
    shown = room.view.message(event.seq)
    if shown is None:
        return event
    extra = event.extra or MessageExtra()
    if shown.recalled:
        return attrs.evolve(event, text="", extra=attrs.evolve(extra, recalled=True, reply_to=None))
    quote = extra.reply_to
    if quote is not None and shown.answers is not None:
        quote = attrs.evolve(quote, excerpt=shown.answers.excerpt)
    edited = max(extra.edited_seq, 1 if shown.edited_at else 0)
    if event.extra is None and not edited:
        return attrs.evolve(event, text=shown.text)
    return attrs.evolve(event, text=shown.text, extra=attrs.evolve(extra, reply_to=quote, edited_seq=edited))
