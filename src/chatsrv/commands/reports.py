"""Reports: people tell the operators about messages and people, and operators list and close what was told."""

from typing import Final

from chatsrv.commands.context import Request
from chatsrv.commands.operator import read_audited
from chatsrv.commands.registry import handles
from chatsrv_protocol import reports as wire
from chatsrv_protocol.common import Done
from chatsrv_protocol.session import Person
from chatsrv_storage.interface import Job, Storage
from chatsrv_storage.messages import reports

assert wire.REPORTED_TEXT.high == reports.REPORTED_CHARACTERS, "a stored report fits onto the wire"

_PAGE: Final = wire.REPORTS_PAGE


async def _report(request: Request, storage: Storage, store: Job[int]) -> Done:
    number = await storage.write(store)
    request.services.log.info("reported", number=number, by=request.caller.actor.user_id)
    return Done()


@handles
async def report_message(request: Request, command: wire.ReportMessage, *, storage: Storage) -> Done:
    """Keep what the caller says of a message, with its text as it is."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    return await _report(
        request, storage,
        lambda conn: reports.report_message(conn, user_id, command.group_id, command.of, command.reason, now_ms),
    )  # fmt: skip


@handles
async def report_person(request: Request, command: wire.ReportPerson, *, storage: Storage) -> Done:
    """Keep what the caller says of somebody."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    return await _report(
        request, storage,
        lambda conn: reports.report_person(conn, user_id, command.user_id, command.reason, now_ms),
    )  # fmt: skip


@handles
async def list_reports(request: Request, command: wire.ListReports, *, storage: Storage) -> wire.Reports:
    """Answer a page of what people reported."""
    rows = await read_audited(
        request, storage, "report_list", str(command.before),
        lambda conn: reports.reports(conn, command.before, _PAGE + 1, closed=command.closed),
    )  # fmt: skip
    page = tuple(
        wire.Report(
            number=row.number,
            at=row.made_at,
            by=Person(row.reporter_id, row.reporter),
            person=Person(row.user_id, row.user),
            group_id=row.group_id,
            group=row.group,
            of=row.seq,
            text=row.text,
            reason=row.reason,
            closed_at=row.closed_at,
            closed_by=row.closed_by,
            note=row.note,
        )
        for row in rows[:_PAGE]
    )
    return wire.Reports(page, len(rows) > _PAGE)


@handles
async def close_report(request: Request, command: wire.CloseReport, *, storage: Storage) -> Done:
    """Close a report."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    await storage.write(lambda conn: reports.close(conn, user_id, command.number, command.note, now_ms))
    return Done()
