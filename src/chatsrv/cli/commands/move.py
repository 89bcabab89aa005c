"""Moving a server's data between a data folder and a database."""

from pathlib import Path
from typing import Annotated

import click

from chatsrv.cli.commands.data_folder import shown
from chatsrv.cli.declare import Argument
from chatsrv.cli.errors import USAGE, Failure
from chatsrv.cli.online import Json

From = Annotated[str, Argument(metavar="SOURCE", help="A data folder, or postgresql://…")]
To = Annotated[str, Argument(metavar="TARGET", help="The other: an empty one, or a new folder.")]


def move(ctx: click.Context, source: From, target: To, json: Json = False) -> None:
    """Copy everything from a data folder into an empty database, or back, while no server runs on either.

    The copy is compared row by row and looked over as `check` does before it counts; an interrupted one leaves nothing and can
    be repeated. The source is only read. Media stay in the folder `media`: move that folder or keep --data. Messages are
    found again by their words once the server has indexed them.
    """
    from chatsrv.cli.output import Output
    from chatsrv_storage.all_checks import ALL
    from chatsrv_storage.dsn import is_dsn
    from chatsrv_storage.errors import FolderError

    if is_dsn(source) == is_dsn(target):
        raise Failure("one of the two is a folder, and one a database: postgresql://…", USAGE, code="usage")
    try:
        from chatsrv_storage.postgres.move import to_database, to_folder

        counts = to_folder(source, Path(target), ALL) if is_dsn(source) else to_database(Path(source), target, ALL)
    except ImportError as error:
        raise Failure(f"this needs more to be installed: pip install 'chatsrv[cluster]' ({error})") from None
    except FolderError as error:
        raise Failure(str(error), code="folder") from None
    out = Output(json=json or (ctx.obj is not None and ctx.obj.json))
    total = sum(counts.values())
    out.say(f"{total} rows moved from {shown(source)} to {shown(target)}, and compared", rows=total, tables=counts)
