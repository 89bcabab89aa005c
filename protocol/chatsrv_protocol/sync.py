"""Catching up: the list of my groups, ranges of a group's sequence, and how far I have read.

An answer of several events comes as event frames under the request id of the question, closed by the reply.
"""

from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    COUNT,
    FLAG,
    GROUP_ID,
    GROUP_ID_OR_0,
    LIMIT,
    LIST_VERSION,
    ORDINAL,
    SEQ,
    ListOf,
    Struct,
    field,
)
from chatsrv_protocol.groups import Group
from chatsrv_protocol.limits import MAX_PAGE
from chatsrv_protocol.registry import command, event, reply, struct


@reply(0x0440)
class Groups:
    """A page of my groups by group id, those I am in and those I left since the version I named.

    `more` says that others follow the last one. `user_version` is the version the list stands at; `reset` says that
    the version named is not known here or too long ago, so that what this list does not name I am not in.
    """

    groups: tuple[Group, ...] = field(ListOf(Struct(Group), MAX_PAGE))
    more: bool = field(FLAG)
    user_version: int = field(LIST_VERSION)
    reset: bool = field(FLAG)


@command(0x0401, reply=Groups)
class ListGroups:
    """Which groups am I in, and what changed in the list since `since` (0: tell me of no removals)?

    `after` is the last group id of the page before, or 0.
    """

    since: int = field(LIST_VERSION, default=0)
    after: int = field(GROUP_ID_OR_0, default=0)


@reply(0x0441)
class Page:
    """The end of a history answer: the events between came before it, in order of their sequence numbers.

    The range from `first` to `last` (both 0 if it is empty) is complete; `more` says that the group goes on beyond it
    in the direction asked. `seq` is the head of the group's sequence.
    """

    group_id: int = field(GROUP_ID)
    first: int = field(SEQ)
    last: int = field(SEQ)
    more: bool = field(FLAG)
    seq: int = field(SEQ)


@command(0x0402, reply=Page, errors=(ErrorCode.GROUP_UNKNOWN,))
class History:
    """Events of a group with `after` < seq < `before` (0: to the end) that I may read.

    Forwards from `after` up, or with `newest` backwards from `before` down: the page then holds the last `limit`
    events of the range. Events always come in rising order. A page may hold no message at all: reactions, openings and
    other events have their places in the sequence too, and count in `limit`. Ask again until enough messages came.
    """

    group_id: int = field(GROUP_ID)
    after: int = field(SEQ, default=0)
    before: int = field(SEQ, default=0)
    limit: int = field(LIMIT, default=MAX_PAGE)
    newest: bool = field(FLAG, default=False)


@struct
class Range:
    """A group and the last sequence number I have of it."""

    group_id: int = field(GROUP_ID)
    after: int = field(SEQ)


@struct
class Progress:
    """How far an answer brought me in one group: everything up to `last` was sent; `seq` is the group's head."""

    group_id: int = field(GROUP_ID)
    last: int = field(SEQ)
    seq: int = field(SEQ)


@reply(0x0442)
class CaughtUp:
    """The end of a catch-up answer: per group how far it went. Groups I may not read are left out."""

    groups: tuple[Progress, ...] = field(ListOf(Struct(Progress), MAX_PAGE))


@command(0x0403, reply=CaughtUp)
class CatchUp:
    """What did I miss in these groups? At most MAX_PAGE events altogether, group by group: ask again for more."""

    ranges: tuple[Range, ...] = field(ListOf(Struct(Range), MAX_PAGE))


@command(0x0404, reply=Done, errors=(ErrorCode.GROUP_UNKNOWN,))
class MarkRead:
    """I have read the group up to `seq`. The cursor only moves forwards, and nothing else moves it: sending does not."""

    group_id: int = field(GROUP_ID)
    seq: int = field(SEQ)


@event(0x04C0)
class ReadMoved:
    """My cursor in a group moved, on this device or another (personal).

    `own_above` counts my own messages above it, up to the event `head`: count mine after that on top.
    """

    group_id: int = field(GROUP_ID)
    read_seq: int = field(SEQ)
    read_ordinal: int = field(ORDINAL)
    own_above: int = field(COUNT, default=0)
    head: int = field(SEQ, default=0)
