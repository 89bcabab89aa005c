"""`chatsrv demo`: a server and a few people over real connections, who show what there is; stage.py runs it."""

from typing import Annotated

import click

from chatsrv.cli.declare import Option
from chatsrv.cli.online import Json


def demo(
    ctx: click.Context,
    stay: Annotated[bool, Option("--stay", help="Leave the server running afterwards, and say how to join.")] = False,
    json: Json = False,
) -> None:
    """Watch a conversation that shows the features; takes a few seconds and leaves nothing behind.

    A server with its data in a temporary folder, and people connected to it over TCP and WebSocket. One of them loses
    the connection and catches up, they open a red packet and prove that it was fair, join by an invite and face to
    face, send a picture, and the server restarts. At the end it is verified that everybody saw the same events in the
    same order; the exit code is 0 only then.
    """
    import trio

    from chatsrv.cli.demo.play import play
    from chatsrv.cli.output import Output

    json = json or (ctx.obj is not None and ctx.obj.json)
    trio.run(play, Output(json=json), stay)
