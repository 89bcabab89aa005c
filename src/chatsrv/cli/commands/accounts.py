"""Commands about the user's own account: the account, the login of this profile, the password."""

import platform
from typing import TYPE_CHECKING

from chatsrv.cli.arguments import AccountName
from chatsrv.cli.online import CommandContext, PasswordStdin

if TYPE_CHECKING:
    from chatsrv_protocol.session import LoggedIn


async def register(here: CommandContext, name: AccountName, password_stdin: PasswordStdin = False) -> None:
    """Make an account and log in with it."""
    from chatsrv.cli.passwords import PasswordSource

    password = PasswordSource(from_stdin=password_stdin).choose("Password")
    async with here.connect() as client:
        _keep(here, await client.register(name, password, device=_device()))


async def login(here: CommandContext, name: AccountName, password_stdin: PasswordStdin = False) -> None:
    """Log in; the token is kept for this profile and server."""
    from chatsrv.cli.passwords import PasswordSource

    password = PasswordSource(from_stdin=password_stdin).ask("Password")
    async with here.connect() as client:
        _keep(here, await client.login(name, password, device=_device()))


def _keep(here: CommandContext, who: "LoggedIn") -> None:
    from chatsrv.cli import profiles

    profiles.save(here.profile, here.server, profiles.Credentials(who.name, who.user_id, who.token))
    here.out.say(
        f"you are {who.name} on {here.server}",
        user_id=str(who.user_id),
        name=who.name,
        session_id=str(who.session_id),
        operator=who.operator,
        server=here.server,
        profile=here.profile,
    )


def _device() -> str:
    """Return what the list of one's sessions calls this machine."""
    from chatsrv_protocol.limits import MAX_TITLE

    name = "".join(c for c in platform.node() if c.isascii() and c.isprintable())
    return f"chatsrv on {name}"[:MAX_TITLE].strip()


async def logout(here: CommandContext) -> None:
    """Log out: the token ends, here and on the server."""
    from chatsrv.cli import profiles

    async with here.session() as client:
        assert client.me is not None
        name = client.me.name
        await client.logout()
    profiles.forget(here.profile, here.server)
    here.out.say(f"{name} is logged out of {here.server}", name=name, server=here.server, profile=here.profile)


async def whoami(here: CommandContext) -> None:
    """Say whose login this profile has, and ask the server whether it still holds."""
    async with here.session() as client:
        me = client.me
    assert me is not None
    here.out.say(
        f"{me.name} on {here.server}" + (", an operator" if me.operator else ""),
        user_id=str(me.user_id),
        name=me.name,
        session_id=str(me.session_id),
        operator=me.operator,
        server=here.server,
        profile=here.profile,
    )


async def passwd(here: CommandContext, password_stdin: PasswordStdin = False) -> None:
    """Change the password; all your other sessions end.

    With --password-stdin the first line is the old password, the second the new one.
    """
    from chatsrv.cli.passwords import PasswordSource

    passwords = PasswordSource(from_stdin=password_stdin)
    async with here.session() as client:
        old = passwords.ask("Old password")
        new = passwords.choose("New password")
        await client.account.change_password(old, new)
    here.out.say("the password is changed; your other sessions have ended", server=here.server, profile=here.profile)
