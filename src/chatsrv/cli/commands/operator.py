"""What operators do through a connection: backups and accounts. All of it is audited on the server."""

from typing import Annotated

import typer

from chatsrv.cli.online import CommandContext, PasswordStdin, online

user = typer.Typer(help="Accounts of others: an operator's rights.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account.", show_default=False)]


async def backup(
    here: CommandContext,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the new file is called.", show_default=False)],
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
async def disable(here: CommandContext, name: Name) -> None:
    """End all sessions of an account and let it in no more."""
    async with here.session() as client:
        await client.operator.enable_user(name, enabled=False)
    here.out.say(f"{name} is disabled", name=name, enabled=False)


@user.command("enable")
@online
async def enable(here: CommandContext, name: Name) -> None:
    """Let a disabled account in again."""
    async with here.session() as client:
        await client.operator.enable_user(name, enabled=True)
    here.out.say(f"{name} is enabled", name=name, enabled=True)


@user.command("reset-password")
@online
async def reset_password(here: CommandContext, name: Name, password_stdin: PasswordStdin = False) -> None:
    """Set an account's password and end its sessions."""
    from chatsrv.cli.passwords import PasswordSource

    password = PasswordSource(from_stdin=password_stdin).choose(f"New password for {name}")
    async with here.session() as client:
        await client.operator.reset_password(name, password)
    here.out.say(f"{name} has a new password and is logged out everywhere", name=name)
