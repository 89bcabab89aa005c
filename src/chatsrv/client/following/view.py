"""The view of a group that a person sees, reduced from its events: no I/O, and any order of events.

Events may come live, by page, forwards or backwards, twice, or fetched after they were superseded: however a device got
them, it ends with the same view once it has the same range. For of two texts of a message the one with the greater
`edited_seq` counts, of two reactions or pins the one with the greater `seq`, a recall is final, and cursors only rise.
"""

from typing import Final

import attrs

from chatsrv_protocol.conversation import Edited, Pinned, QuietSet, Reacted, Recalled
from chatsrv_protocol.groups import Group
from chatsrv_protocol.limits import MAX_EXCERPT
from chatsrv_protocol.messages import Message, MessageExtra, Origin
from chatsrv_protocol.sync import ReadMoved

MOST_SHOWN: Final = 99


def unread_label(count: int) -> str:
    """Return a count of unread messages as it is shown: "" for none, 99+ over 99."""
    return "" if count <= 0 else str(count) if count <= MOST_SHOWN else f"{MOST_SHOWN}+"


def unread_in(group: Group) -> int:
    """Return how many messages of a group are above the user's cursor, without the user's own."""
    return max(0, group.ordinal - group.read_ordinal - group.own_above)


@attrs.frozen(slots=True)
class Unread:
    """Unread messages and mentions over all groups; those of quiet groups are counted apart, their mentions are not."""

    messages: int
    quiet: int
    mentions: int


def unread_of(groups: list[Group]) -> Unread:
    """Return the counts of a list of groups."""
    counts = [(unread_in(group), group) for group in groups if group.role]
    return Unread(
        sum(count for count, group in counts if not group.quiet),
        sum(count for count, group in counts if group.quiet),
        sum(group.mentions for _, group in counts),
    )


@attrs.frozen(slots=True)
class Answered:
    """The message that another one answers, as it is now; the excerpt is empty once it was recalled."""

    seq: int
    sender: str
    excerpt: str


@attrs.frozen(slots=True)
class Shown:
    """A message as it is now. `reactions` are (emoji, ids of who added it), in the order of each emoji's first."""

    seq: int
    id: int
    sender_id: int
    sender: str
    sent_at: int
    kind: int
    text: str
    recalled: bool
    edited_at: int
    answers: Answered | None
    mentions: tuple[int, ...]
    mention_all: bool
    forwarded: Origin | None
    reactions: tuple[tuple[str, tuple[int, ...]], ...]
    pinned: bool


@attrs.frozen(slots=True)
class _Text:
    edited_seq: int
    text: str
    edited_at: int
    mentions: tuple[int, ...] = ()
    mention_all: bool = False


_NO_EXTRA: Final = MessageExtra()


def _quoted_at(extra: MessageExtra) -> int:
    return 0 if extra.reply_to is None else extra.reply_to.edited_seq


class GroupView:
    """The view of one group for one user (`me`): apply events, then read messages, pins and counts."""

    def __init__(self, me: int) -> None:
        self._me = me
        self._messages: dict[int, Message] = {}
        self._texts: dict[int, _Text] = {}
        self._recalled: dict[int, None] = {}
        self._reactions: dict[int, dict[tuple[int, str], tuple[int, bool]]] = {}
        self._pins: dict[int, tuple[int, bool]] = {}
        self.seq = 0
        self.ordinal = 0
        self.read_seq = 0
        self.read_ordinal = 0
        self.quiet = False
        self._own_above = 0  # own messages between the cursor and `_counted_to`, as the server counted them
        self._counted_to = 0
        self._own: set[int] = set()  # seqs of own messages after that

    @property
    def unread(self) -> int:
        """Return how many messages are above the user's cursor, without the user's own."""
        return max(0, self.ordinal - self.read_ordinal - self._own_above - len(self._own))

    def apply(self, event: object) -> None:
        """Apply one event of the group, live or fetched, known before or not; also `ReadMoved`, `QuietSet` and `Group`."""
        match event:
            case Group():
                self._head(event.seq, event.ordinal)
                self._read(event.read_seq, event.read_ordinal, event.own_above, event.seq)
                self.quiet = event.quiet
                return
            case ReadMoved():
                self._read(event.read_seq, event.read_ordinal, event.own_above, event.head)
                return
            case QuietSet():
                self.quiet = event.quiet
                return
            case Message():
                self._message(event)
            case Edited():
                self._text(
                    event.of, _Text(event.edited_seq, event.text, event.edited_at, event.mentions, event.mention_all)
                )
            case Recalled():
                self._recalled[event.of] = None
            case Reacted():
                reactions = self._reactions.setdefault(event.of, {})
                key = (event.sender_id, event.emoji)
                reactions[key] = max(reactions.get(key, (0, False)), (event.seq, event.on))
            case Pinned():
                self._pins[event.of] = max(self._pins.get(event.of, (0, False)), (event.seq, event.on))
            case _:
                pass  # it has its place in the sequence, and nothing to show here
        self._head(getattr(event, "seq", 0), getattr(event, "ordinal", 0))

    def _head(self, seq: int, ordinal: int) -> None:
        self.seq, self.ordinal = max(self.seq, seq), max(self.ordinal, ordinal)

    def _read(self, seq: int, ordinal: int, own_above: int, counted_to: int) -> None:
        """Set the cursor to `seq`, with so many own messages from there to `counted_to`."""
        if (seq, counted_to) >= (self.read_seq, self._counted_to):
            self.read_seq, self.read_ordinal = seq, ordinal
            self._own_above, self._counted_to = own_above, counted_to
            self._own = {own for own in self._own if own > max(seq, counted_to)}

    def _message(self, event: Message) -> None:
        extra = event.extra or _NO_EXTRA
        self._messages.setdefault(event.seq, event)
        if extra.recalled:
            self._recalled[event.seq] = None
        else:
            now = _Text(extra.edited_seq, event.text, extra.edited_at, extra.mentions, extra.mention_all)
            self._text(event.seq, now)
        known = self._messages[event.seq].extra
        if _quoted_at(extra) > _quoted_at(known or _NO_EXTRA):
            self._messages[event.seq] = event  # of two copies of an answer, the one that quotes the newer text
        if event.sender_id == self._me and event.seq > max(self.read_seq, self._counted_to):
            self._own.add(event.seq)

    def _text(self, seq: int, text: _Text) -> None:
        known = self._texts.get(seq)
        if known is None or known.edited_seq < text.edited_seq:
            self._texts[seq] = text

    def message(self, seq: int) -> Shown | None:
        """Return the message with this seq as it is now; None if it was not applied."""
        event = self._messages.get(seq)
        if event is None:
            return None
        recalled = seq in self._recalled
        text = _Text(0, "", 0) if recalled else self._texts[seq]
        extra = _NO_EXTRA if recalled else event.extra or _NO_EXTRA
        return Shown(
            seq, event.id, event.sender_id, event.sender, event.sent_at, event.kind, text.text, recalled, text.edited_at,
            self._answered(extra), text.mentions, text.mention_all, extra.forwarded,
            () if recalled else self._reactions_to(seq), not recalled and self._pins.get(seq, (0, False))[1],
        )  # fmt: skip

    def _answered(self, extra: MessageExtra) -> Answered | None:
        quote = extra.reply_to
        if quote is None:
            return None
        excerpt = quote.excerpt
        known = self._texts.get(quote.of)
        if quote.of in self._recalled:
            excerpt = ""
        elif known is not None and known.edited_seq > quote.edited_seq:
            excerpt = known.text[:MAX_EXCERPT]
        return Answered(quote.of, quote.sender, excerpt)

    def _reactions_to(self, seq: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
        latest = self._reactions.get(seq, {})
        by_emoji: dict[str, list[int]] = {}
        for at, user_id, emoji in sorted((at, user_id, emoji) for (user_id, emoji), (at, on) in latest.items() if on):
            del at
            by_emoji.setdefault(emoji, []).append(user_id)
        return tuple((emoji, tuple(user_ids)) for emoji, user_ids in by_emoji.items())

    def messages(self) -> list[Shown]:
        """Return all messages that were applied, in order."""
        return [shown for seq in sorted(self._messages) if (shown := self.message(seq)) is not None]

    def pins(self) -> list[int]:
        """Return the seqs of the messages that are pinned as far as known, the latest pin first."""
        on = [(at, of) for of, (at, is_on) in self._pins.items() if is_on and of not in self._recalled]
        return [of for _, of in sorted(on, reverse=True)]

    def forget(self, before: int) -> None:
        """Drop messages with a smaller seq, which a screen no longer shows; they can be fetched again."""
        for table in (self._messages, self._texts, self._recalled, self._reactions, self._pins):
            for seq in [seq for seq in table if seq < before]:
                del table[seq]
