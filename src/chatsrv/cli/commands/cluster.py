"""Commands for whoever operates several servers on one database."""

from typing import TYPE_CHECKING, Annotated

import click

from chatsrv.cli.declare import CommandGroup, Option
from chatsrv.cli.errors import USAGE, Failure
from chatsrv.cli.online import Json

if TYPE_CHECKING:
    from chatsrv.cli.output import Output
    from chatsrv.cluster.redis_bus import BusServer
    from chatsrv_storage.postgres.status import DatabaseStatus

cluster = CommandGroup(help="Look at several servers on one database.")


@cluster.command("status")
def status(
    ctx: click.Context,
    database: Annotated[str, Option("--database", metavar="DSN", help="The database.")],
    bus: Annotated[str, Option("--bus", metavar="LIST", help="What --bus of the servers says.")] = "",
    json: Json = False,
) -> None:
    """Show which servers live and on which lanes they write, the database and its standbys, and the bus.

    Exit code 1 where no server lives, the database takes no changes, or a server of the bus does not answer or is not listened
    to by all that live.
    """
    from chatsrv.cli.output import Output
    from chatsrv_storage.dsn import is_dsn
    from chatsrv_storage.errors import FolderError

    if not is_dsn(database):
        raise Failure("several servers share a database, not a folder: postgresql://…", USAGE, code="usage")
    try:
        from chatsrv.cluster.redis_bus import channel_of, look_at_bus
        from chatsrv_storage.postgres.status import read_status
    except ImportError as error:
        raise Failure(f"this needs more to be installed: pip install 'chatsrv[cluster]' ({error})") from None
    try:
        found = read_status(database)
    except FolderError as error:
        raise Failure(str(error), code="folder") from None
    servers = look_at_bus([part.strip() for part in bus.split(",") if part.strip()], channel_of(found.identifier))
    faults = [_bus_fault(each, len(found.nodes)) for each in servers]
    out = Output(json=json or (ctx.obj is not None and ctx.obj.json))
    if out.json:
        out.record(
            {
                "server": found.server,
                "primary": found.is_primary,
                "version": found.version,
                "nodes": [each._asdict() for each in found.nodes],
                "standbys": [each._asdict() for each in found.standbys],
                "bus": [
                    {
                        "server": each.address,
                        "milliseconds": each.milliseconds,
                        "listeners": each.listeners,
                        "error": fault,
                    }
                    for each, fault in zip(servers, faults, strict=True)
                ],
            }
        )
    else:
        _show(out, found, servers, faults)
    if not found.nodes or not found.is_primary or any(faults):
        raise click.exceptions.Exit(1)


def _bus_fault(server: "BusServer", nodes: int) -> str:
    """Return what is wrong with a server of the bus; "" for nothing."""
    if server.error or server.listeners is None or server.listeners >= nodes:
        return server.error
    return f"{server.listeners} of {nodes} servers listen there: give all of them the same --bus"


def _show(out: "Output", found: "DatabaseStatus", servers: list["BusServer"], faults: list[str]) -> None:
    role = "the primary, takes changes" if found.is_primary else "a standby, takes none"
    out.line(f"PostgreSQL {found.version} at {found.server}: {role}")
    lines = [
        (each.name, ", ".join(map(str, each.lanes)), f"{max(found.now_ms - each.seen_ms, 0) / 1000:.1f} s ago")
        for each in found.nodes
    ]
    out.table(("node", "lanes", "seen"), lines, empty="no server lives")
    if found.standbys:
        rows = [
            (
                each.name,
                each.state or "?",
                each.sync or "?",
                "?" if each.lag_bytes is None else f"{each.lag_bytes} bytes",
            )
            for each in found.standbys
        ]
        out.table(("standby", "state", "sync", "behind"), rows)
        if any(not each.state for each in found.standbys):
            out.line("what stands as ? is shown to roles that have been granted pg_monitor")
    if servers:
        rows = [
            (each.address, fault or f"answers in {each.milliseconds:.1f} ms")
            for each, fault in zip(servers, faults, strict=True)
        ]
        out.table(("bus", "state"), rows)
