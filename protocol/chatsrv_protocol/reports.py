"""Reports: what people tell the operators about a message or a person. Only operators read them; nobody else is told."""

from typing import Final

from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    COUNT,
    FLAG,
    GROUP_ID,
    GROUP_ID_OR_0,
    LABEL,
    SEQ,
    TIME,
    USER_ID,
    ListOf,
    String,
    Struct,
    field,
)
from chatsrv_protocol.registry import command, reply, struct
from chatsrv_protocol.session import Person

REASON: Final = String(1, 300)
NOTE: Final = String(0, 300)
REPORTED_TEXT: Final = String(0, 500)

REPORTS_PAGE: Final = 10
"""Reports in one answer: of the longest texts they fit into a frame."""


@command(0x0E01, reply=Done, errors=(ErrorCode.GROUP_UNKNOWN, ErrorCode.MESSAGE_UNKNOWN, ErrorCode.TOO_MANY))
class ReportMessage:
    """Tell the operators about a message that I may read, and why.

    They see the group's name and the first 500 characters that the message holds now (of a medium its caption): a later edit or
    recall changes nothing of it. Who reports it again replaces the reason, as long as the report is open.
    """

    group_id: int = field(GROUP_ID)
    of: int = field(SEQ)
    reason: str = field(REASON)


@command(0x0E02, reply=Done, errors=(ErrorCode.USER_UNKNOWN, ErrorCode.TOO_MANY))
class ReportPerson:
    """Tell the operators about somebody else, and why. Who does it again replaces the reason, as long as the report is open."""

    user_id: int = field(USER_ID)
    reason: str = field(REASON)


@struct
class Report:
    """What `by` reports of `person`: a message (`of` in a group, with its text), or the person as such (`of` 0, no group).

    `closed_at` 0: it is open. Otherwise `closed_by` closed it, and noted why.
    """

    number: int = field(COUNT)
    at: int = field(TIME)
    by: Person = field(Struct(Person))
    person: Person = field(Struct(Person))
    group_id: int = field(GROUP_ID_OR_0)
    group: str = field(LABEL)
    of: int = field(SEQ)
    text: str = field(REPORTED_TEXT)
    reason: str = field(REASON)
    closed_at: int = field(TIME)
    closed_by: str = field(LABEL)
    note: str = field(NOTE)


@reply(0x0E40)
class Reports:
    """Reports, the latest first; `more` says that there are earlier ones."""

    reports: tuple[Report, ...] = field(ListOf(Struct(Report), REPORTS_PAGE))
    more: bool = field(FLAG)


@command(0x0E03, reply=Reports, errors=(ErrorCode.OPERATOR_ONLY,))
class ListReports:
    """What did people report, the latest first: what is open, or (`closed`) what is not?

    `before` is the number of the last report of the page before, or 0.
    """

    before: int = field(COUNT, default=0)
    closed: bool = field(FLAG, default=False)


@command(0x0E04, reply=Done, errors=(ErrorCode.OPERATOR_ONLY, ErrorCode.REPORT_UNKNOWN))
class CloseReport:
    """Close a report, with a note for other operators. One that is closed stays as it is."""

    number: int = field(COUNT)
    note: str = field(NOTE, default="")
