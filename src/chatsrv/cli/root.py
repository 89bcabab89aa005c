"""The command line put together: which command stands where. Importing this stays quick; commands import what they need."""

from typing import Annotated

import typer

from chatsrv.cli import local, serve
from chatsrv.cli.online import Common, Profile, Server
from chatsrv.cli.online import Json as JsonFlag

app = typer.Typer(
    name="chatsrv",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(ctx: typer.Context, server: Server = None, profile: Profile = None, json: JsonFlag = False) -> None:
    """Self-hosted group chat: a server, and everything to talk through it.

    Start with `chatsrv demo`, or with `chatsrv serve` in one terminal and `chatsrv register NAME` in another.
    """
    ctx.obj = Common(server, profile, json)


app.command()(serve.serve)
app.command()(local.check)
app.add_typer(local.operator, name="operator")
