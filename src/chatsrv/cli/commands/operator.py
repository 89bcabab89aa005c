"""Commands for operators over a connection: backups, accounts, groups. All of it is audited on the server."""

from functools import cache
from typing import Annotated

from chatsrv.cli.arguments import AccountName
from chatsrv.cli.declare import Argument, CommandGroup
from chatsrv.cli.online import CommandContext, PasswordStdin, online

user = CommandGroup(help="Accounts of others: an operator's rights.")


async def backup(
    here: CommandContext,
    name: Annotated[str, Argument(metavar="NAME", help="What the new file is called.")],
) -> None:
    """Write a verified copy of the database, while the server runs; an operator's right.

    The server writes it into the folder that its setting `backups` names, and overwrites nothing. `chatsrv operator
    backup` writes to any file, on the server's machine.
    """
    async with here.session() as client:
        await client.operator.backup(name)
    here.out.say(f"backup '{name}' written to the server's folder for backups", name=name)


@user.command("disable")
@online
async def disable(here: CommandContext, name: AccountName) -> None:
    """End all sessions of an account and let it in no more.

    Groups that it owns go to the admin who has been in them longest, else to the member who has.
    """
    async with here.session() as client:
        done = await client.operator.enable_user(name, enabled=False)
    here.out.say(f"{name} is disabled", name=name, enabled=False)
    for one in done.handed_over:
        then = f"{one.owner.name} owns it now" if one.owner else "nobody in it can govern it"
        here.out.say(
            f"the group '{one.name}' ({one.group_id}) lost its owner: {then}",
            group_id=str(one.group_id), group=one.name, owner=one.owner.name if one.owner else None,
        )  # fmt: skip
    if done.more and not here.out.json:
        here.out.note("… and other groups: `chatsrv operator groups`")


@user.command("enable")
@online
async def enable(here: CommandContext, name: AccountName) -> None:
    """Let a disabled account in again."""
    async with here.session() as client:
        await client.operator.enable_user(name, enabled=True)
    here.out.say(f"{name} is enabled", name=name, enabled=True)


@user.command("reset-password")
@online
async def reset_password(here: CommandContext, name: AccountName, password_stdin: PasswordStdin = False) -> None:
    """Set an account's password and end its sessions."""
    from chatsrv.cli.passwords import PasswordSource

    password = PasswordSource(from_stdin=password_stdin).choose(f"New password for {name}")
    async with here.session() as client:
        await client.operator.reset_password(name, password)
    here.out.say(f"{name} has a new password and is logged out everywhere", name=name)


Group = Annotated[int, Argument(metavar="ID", min=1, help="The group's id.")]


async def groups(here: CommandContext) -> None:
    """Show all groups of the server with their owners; an operator's right."""
    async with here.session() as client:
        found = await client.operator.list_all_groups()
    if not here.out.json:
        rows = [
            (one.name, str(one.members), one.owner.name if one.owner else "(disabled)", str(one.group_id))
            for one in found
        ]
        here.out.table(("group", "members", "owner", "id"), rows)
        return
    for one in found:
        here.out.record(
            {
                "group_id": str(one.group_id),
                "name": one.name,
                "members": one.members,
                "owner": one.owner.name if one.owner else None,
            }
        )


async def appoint(here: CommandContext, group: Group, name: AccountName) -> None:
    """Make a member of any group its owner; an operator's right."""
    from chatsrv.cli.lookup import find_people

    async with here.session() as client:
        (person,) = await find_people(client, [name])
        await client.operator.appoint_owner(group, person.user_id)
    here.out.say(f"{person.name} owns the group {group} now", group_id=str(group), owner=person.name)


async def dissolve(here: CommandContext, group: Group) -> None:
    """End any group; an operator's right."""
    async with here.session() as client:
        await client.operator.dissolve_any_group(group)
    here.out.say(f"the group {group} is dissolved", group_id=str(group), dissolved=True)


@cache
def operator_commands() -> CommandGroup:
    """Return all commands of `chatsrv operator`: these beside those that work on the data folder."""
    from chatsrv.cli.commands.data_folder import operator
    from chatsrv.cli.commands.reports import close_report, reports

    for command in (groups, appoint, dissolve, reports, close_report):
        operator.command(command.__name__.replace("_", "-"))(online(command))
    return operator
