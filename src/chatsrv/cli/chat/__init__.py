"""`chatsrv chat`: a conversation on the whole screen, or line by line. talk.py is what both have in common."""

import os
import sys
from functools import partial
from typing import Annotated

import click

from chatsrv.cli.declare import Argument, Option
from chatsrv.cli.online import CommandContext, Common, Json, Profile, Server


def chat(
    ctx: click.Context,
    which: Annotated[str | None, Argument(metavar="G", help="The group to begin with.")] = None,
    plain: Annotated[bool, Option("--plain", help="Line by line, for pipes and simple terminals.")] = False,
    bell: Annotated[bool, Option("--bell", help="Ring the terminal's bell when somebody calls you.")] = False,
    server: Server = None,
    profile: Profile = None,
    json: Json = False,
) -> None:
    """Chat: your groups, what is new in them, who is there, and a line to type in.

    What you type is sent to the group, and `@name` calls a member; what begins with a slash is a command, `/help` shows
    which. Without a terminal, or where TERM is `dumb`, it is --plain: each line of standard input is sent, and with the
    last one it ends.
    """
    from chatsrv.cli.output import Output

    common = Common(server, profile, json).over(ctx.obj)
    here = CommandContext(common, Output(json=common.json))
    simple = os.environ.get("TERM", "dumb") == "dumb" or not (sys.stdin.isatty() and sys.stdout.isatty())
    if plain or common.json or simple:
        import trio

        from chatsrv.cli.chat.plain import run_plain

        trio.run(partial(run_plain, here, which, bell=bell))
        return
    from chatsrv.cli.chat.screen import ChatApp

    app = ChatApp(here, which, bell=bell)
    app.run()
    for group, text in app.talk.unsent:
        here.out.note(f"not sent to '{group}': {text}")
    if app.failure is not None:
        raise app.failure
