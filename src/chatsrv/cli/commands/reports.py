"""`report` and `report-person`, and what operators do with reports: `operator reports`, `operator close-report`."""

from typing import TYPE_CHECKING, Annotated

from chatsrv.cli.arguments import GroupName, MessageNumber, UserName
from chatsrv.cli.declare import Argument, Option
from chatsrv.cli.online import CommandContext

if TYPE_CHECKING:
    from chatsrv_protocol.reports import Report

Reason = Annotated[str, Argument(metavar="TEXT", help="What is wrong with it, for the server's operators.")]


async def report(
    here: CommandContext,
    which: GroupName,
    of: MessageNumber,
    reason: Reason,
) -> None:
    """Tell the server's operators about a message; nobody else is told.

    They see what it says now, also if it is edited or recalled later.
    """
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        await client.group(group.group_id).report(of, reason)
    here.out.say(f"#{of} in '{group.name}' is reported", group_id=str(group.group_id), of=of, reported=True)


async def report_person(
    here: CommandContext,
    user: UserName,
    reason: Reason,
) -> None:
    """Tell the server's operators about somebody; nobody else is told."""
    from chatsrv.cli.lookup import find_people

    async with here.session() as client:
        (person,) = await find_people(client, [user])
        await client.people.report(person.user_id, reason)
    here.out.say(f"{person.name} is reported", user_id=str(person.user_id), name=person.name, reported=True)


async def reports(
    here: CommandContext,
    before: Annotated[int, Option("--before", metavar="NUMBER", min=0, help="Only what came before this one.")] = 0,
    closed: Annotated[bool, Option("--closed", help="Those that were closed.")] = False,
) -> None:
    """Show what people reported, the latest first, ten at once; an operator's right."""
    from chatsrv.cli.events import clock

    async with here.session() as client:
        found = await client.operator.list_reports(before, closed=closed)
    for one in found:
        if here.out.json:
            here.out.record(_record(one))
            continue
        where = f" #{one.of} in '{one.group}' ({one.group_id})" if one.of else ""
        here.out.line(f"{one.number}  {clock(one.at)}  {one.by.name} reports {one.person.name}{where}: {one.reason}")
        if one.text:
            here.out.line(f"    said: {' '.join(one.text.split())}")
        if one.closed_at:
            here.out.line(
                f"    closed {clock(one.closed_at)} by {one.closed_by}" + (f": {one.note}" if one.note else "")
            )
    if not found and not here.out.json:
        here.out.note("no report is closed" if closed else "no report is open")


def _record(one: "Report") -> dict[str, object]:
    return {
        "number": one.number,
        "at": one.at,
        "by": one.by.name,
        "user_id": str(one.person.user_id),
        "name": one.person.name,
        "group_id": str(one.group_id) if one.group_id else None,
        "group": one.group or None,
        "of": one.of or None,
        "text": one.text,
        "reason": one.reason,
        "closed_at": one.closed_at or None,
        "closed_by": one.closed_by or None,
        "note": one.note,
    }


async def close_report(
    here: CommandContext,
    number: Annotated[int, Argument(metavar="NUMBER", min=1, help="The report, as `operator reports` shows it.")],
    note: Annotated[str, Argument(metavar="TEXT", help="What was done about it, for other operators.")] = "",
) -> None:
    """Close a report; an operator's right."""
    async with here.session() as client:
        await client.operator.close_report(number, note)
    here.out.say(f"the report {number} is closed", number=number, closed=True)
