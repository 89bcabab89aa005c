"""What should be true, in dicts: accounts, groups with their log, who may do what, and who waits under which code.

The rights are written down here a second time, and shorter, so that the machine does not ask the server's own table.
"""

from typing import Any, Final

import attrs

from chatsrv_protocol.conversation import HIDDEN_EMOJI
from chatsrv_protocol.groups import GroupRules

MEMBER, ADMIN, OWNER = 1, 2, 3
EDIT_WITHIN, RECALL_WITHIN = 100_000, 50_000
"""Milliseconds. The machine's steps of time are on both sides of them."""
ATTEMPTS: Final = 5
WINDOW: Final = 180_000
"""Of face-to-face codes: how often in which time; and how long a lobby lasts."""
GRACE: Final = 10_000


@attrs.define(eq=False)
class Membership:
    role: int
    visible_from: int
    read_seq: int
    nickname: str = ""
    quiet: bool = False


@attrs.define(eq=False)
class Said:
    """A message as it is now."""

    sender: int
    text: str
    at: int
    reply_to: int = 0
    mentions: tuple[int, ...] = ()
    everybody: bool = False
    edited_seq: int = 0
    recalled: bool = False
    keep_excerpt: bool = False
    reactions: dict[tuple[int, str], int] = attrs.field(factory=dict)
    """The event by which each (user, emoji) was put on it, in that order."""
    pinned_at: int = 0
    versions: list[str] = attrs.field(factory=list)


@attrs.define(eq=False)
class Group:
    """`log` holds (class of the event, sender, detail), the first at seq 1; of a message the detail is in `said`."""

    group_id: int
    name: str
    rules: GroupRules
    log: list[tuple[str, int, Any]] = attrs.field(factory=list)
    said: dict[int, Said] = attrs.field(factory=dict)
    members: dict[int, Membership] = attrs.field(factory=dict)
    muted: dict[int, int] = attrs.field(factory=dict)
    bans: dict[int, int] = attrs.field(factory=dict)
    spoke_at: dict[int, int] = attrs.field(factory=dict)
    notice: str = ""
    nickname_at: dict[int, int] = attrs.field(factory=dict)
    left: set[int] = attrs.field(factory=set)
    """Who left by themselves: they are invited, and not added."""
    removed: set[int] = attrs.field(factory=set)
    """Whom others took out: a face-to-face code does not let them in again."""
    invited: dict[int, int] = attrs.field(factory=dict)
    """Who is invited by whom."""

    def event(self, seq: int, visible_from: int) -> tuple[int, int, str, int, Any]:
        """An event as a fetch answers it now to who may read from there: what it points at is as it is now."""
        kind, sender, detail = self.log[seq - 1]
        if kind == "Message":
            detail = self.message(seq, visible_from)
        elif kind == "Edited":
            target = self.said[detail]
            hidden = detail <= visible_from
            detail = (detail, "", seq) if hidden else (detail, target.text, target.edited_seq or seq)
        elif kind == "Reacted" and detail[0] <= visible_from:
            detail = (detail[0], HIDDEN_EMOJI, detail[2])
        return self.group_id, seq, kind, sender, detail

    def message(self, seq: int, visible_from: int) -> tuple[Any, ...]:
        """(text, quote, mentions, everybody, edited at, recalled) of a message as it is now."""
        said = self.said[seq]
        if said.recalled:
            return "", None, (), False, 0, True
        quote = None
        if said.reply_to:
            target = self.said[said.reply_to]
            hidden = said.reply_to <= visible_from and (not said.keep_excerpt or target.edited_seq > seq)
            excerpt = "" if hidden else target.text[:200]
            quote = (said.reply_to, excerpt, 0 if hidden else target.edited_seq)
        return said.text, quote, said.mentions, said.everybody, said.edited_seq, False

    def unread(self, user_id: int) -> int:
        """How many messages of others are above somebody's cursor."""
        read_seq = self.members[user_id].read_seq
        return sum(seq > read_seq and said.sender != user_id for seq, said in self.said.items())

    def called(self, user_id: int) -> int:
        """How many unread messages mention somebody."""
        read_seq = self.members[user_id].read_seq
        return sum(
            seq > read_seq
            and not said.recalled
            and said.sender != user_id
            and (said.everybody or user_id in said.mentions)
            for seq, said in self.said.items()
        )

    def pins(self) -> list[int]:
        pinned = [(said.pinned_at, seq) for seq, said in self.said.items() if said.pinned_at and not said.recalled]
        return [seq for _, seq in sorted(pinned, reverse=True)]

    def refusal(self, mine: int, least: int = MEMBER, over: int | None = None) -> str | None:
        """Why somebody may not do what takes this role; None: they may. `over`: to whom it is done."""
        if mine not in self.members:
            return "group_unknown"
        if self.members[mine].role < least:
            return "forbidden"
        if over is not None and over in self.members and self.members[over].role >= self.members[mine].role:
            return "forbidden"
        return None if over is None or over in self.members else "not_member"

    def silenced(self, mine: int, now_ms: int, least: int = MEMBER, *, paced: bool = False) -> str | None:
        """Why somebody may not speak, by a message or by what takes the role `least`."""
        if (refusal := self.refusal(mine, least)) is not None:
            return refusal
        is_admin = self.members[mine].role >= ADMIN
        if self.muted.get(mine, 0) > now_ms or (self.rules.mute_all and not is_admin):
            return "muted"
        since = now_ms - self.spoke_at.get(mine, -(2**50))
        if paced and not is_admin and 0 <= since < self.rules.slow_mode * 1000:
            return "slow_mode"
        return None

    def there(self, mine: int, seq: int) -> Said | None:
        """The message with this seq, if this member may point at it."""
        said = self.said.get(seq)
        return None if said is None or said.recalled or seq <= self.members[mine].visible_from else said


@attrs.define(eq=False)
class Account:
    name: str
    user_id: int
    token: bytes
    done: list[tuple[Any, Any]] = attrs.field(factory=list)
    """(command, reply) of every change that took effect."""
    gone_since: int | None = None
    """When the last device went, on the monotonic clock in milliseconds."""
    attempts: list[int] = attrs.field(factory=list)


@attrs.define(eq=False)
class Lobby:
    code: str
    place: Any
    ends_at: int
    expires_at: int
    guests: dict[int, bool] = attrs.field(factory=dict)
    """Who is on the page, and whether they entered the group."""
    group: Group | None = None
