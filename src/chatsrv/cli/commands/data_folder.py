"""Commands on a data folder, without a connection: checks, operator rights, and backups."""

import math
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import click

from chatsrv.cli.arguments import AccountName
from chatsrv.cli.declare import Argument, CommandGroup, Option
from chatsrv.cli.errors import REFUSED, UNREACHABLE, USAGE, Failure
from chatsrv.cli.online import Json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chatsrv.cli.output import Output
    from chatsrv_storage.engine.check import Check
    from chatsrv_storage.interface import SqlConnection

T = TypeVar("T")

SOCKET_SECONDS: Final = 10.0
"""How long a server may take to answer on its operator socket."""

operator = CommandGroup(help="Give and take the rights of an operator, on the server's machine. Audited.")

Data = Annotated[Path | None, Option("--data", metavar="DIR", help="The data folder.")]
Place = Annotated[
    str,
    Argument(metavar="PLACE", help="The data folder, the file of a backup, or a database: postgresql://…"),
]
Database = Annotated[str, Option("--database", metavar="DSN", help="The database in place of --data.")]


def _output(ctx: click.Context, json: bool) -> "Output":
    from chatsrv.cli.output import Output

    return Output(json=json or (ctx.obj is not None and ctx.obj.json))


def check(
    ctx: click.Context,
    place: Place,
    expect_head: Annotated[
        str,
        Option("--expect-head", metavar="HASH", help="A hash that the audit log must hold."),
    ] = "",
    json: Json = False,
) -> None:
    """Look a data folder or a backup over while no server runs on it, or a database at any time; changes nothing.

    Checks the database's structure and schema, the checksums of its rows, the order of every group, its members against
    its events, operators and disabled accounts against the audit log, the audit log itself and the books. The hash for
    --expect-head is in the server's log after each command of an operator, and is printed here. Exit code 1 if anything
    is wrong.
    """
    from chatsrv_storage.accounts import audit_log
    from chatsrv_storage.all_checks import ALL

    heads: list[tuple[int, str]] = []

    def audit_head(conn: "SqlConnection") -> "Iterator[str]":
        heads.append(audit_log.head(conn))
        return iter(())

    expected = [audit_log.expect_head(expect_head)] if expect_head else []
    problems = _problems(place, [*ALL, audit_head, *expected])
    out = _output(ctx, json)
    row, head = heads[0] if heads else (0, "")
    if row:
        out.say(f"the audit log ends with row {row}, hash {head}", audit_row=row, audit_head=head)
    _verdict(out, shown(place), problems)


def _problems(place: str, checks: "Sequence[Check]") -> list[str]:
    from chatsrv_storage.dsn import is_dsn
    from chatsrv_storage.engine.check import check_folder
    from chatsrv_storage.errors import FolderError

    try:
        if is_dsn(place):
            from chatsrv_storage.postgres.check import check_database

            return check_database(place, checks)
        return check_folder(Path(place), checks)
    except FolderError as error:
        raise Failure(str(error), code="folder") from None


def shown(place: str) -> str:
    """Return a place as it may be printed: a DSN without its password."""
    from chatsrv_storage.dsn import is_dsn

    if not is_dsn(place):
        return place
    from chatsrv_storage.postgres.errors import place_of

    return place_of(place)


def _verdict(out: "Output", place: str, problems: list[str]) -> None:
    for problem in problems:
        out.say(problem, problem=problem)
    count = len(problems)
    verdict = "no problem found" if not count else "1 problem found" if count == 1 else f"{count} problems found"
    out.say(f"{place}: {verdict}", folder=place, ok=not problems, problems=count)
    raise click.exceptions.Exit(REFUSED if problems else 0)


def audit(
    ctx: click.Context,
    place: Place,
    json: Json = False,
) -> None:
    """Recompute every balance, packet, draw and payout from the ledger while no server runs; names what is wrong.

    Exit code 1 if anything is wrong.
    """
    from chatsrv_storage.all_checks import BOOKS

    problems = _problems(place, BOOKS)
    _verdict(_output(ctx, json), shown(place), problems)


@operator.command("add")
def add(ctx: click.Context, name: AccountName, data: Data = None, database: Database = "", json: Json = False) -> None:
    """Make somebody an operator: they may disable accounts, reset passwords and make backups."""
    _set_operator(_output(ctx, json), data, database, name, operator=True)


@operator.command("remove")
def remove(
    ctx: click.Context, name: AccountName, data: Data = None, database: Database = "", json: Json = False
) -> None:
    """Take an operator's rights away."""
    _set_operator(_output(ctx, json), data, database, name, operator=False)


@operator.command("backup")
def backup(
    ctx: click.Context,
    file: Annotated[Path, Argument(metavar="FILE", help="A new file.")],
    data: Data = None,
    database: Database = "",
    json: Json = False,
) -> None:
    """Write a verified copy of the database to any file, whether a server runs on the data folder or not.

    The file must not exist yet; its mode is 0600. It holds everything but the bytes of media. A database in PostgreSQL
    is copied by PostgreSQL's own tools: with --database the command says which.
    """
    out = _output(ctx, json)
    path = file.absolute()
    _require_one_place(data, database)
    if data is None:
        raise Failure(
            f"The data is in PostgreSQL: make the copy with pg_basebackup, or `pg_dump --format=custom --file={file} DSN`,"
            " and look it over with `chatsrv check DSN` where it was restored (docs/cluster.md).",
            code="backup_failed",
        )
    _in_folder(data, partial(_backup_offline, data, path), {"do": "backup", "path": str(path)}, wait=math.inf)
    out.say(f"backup written to {path}", path=str(path))


def _require_one_place(data: Path | None, database: str) -> None:
    from chatsrv_storage.dsn import is_dsn

    if (data is None) == (not database):
        raise Failure("name the place of the data: --data DIR or --database DSN", USAGE, code="usage")
    if data is not None and is_dsn(data):
        raise Failure("--data is a folder: name a database by --database", USAGE, code="usage")


def _set_operator(out: "Output", data: Path | None, database: str, name: str, *, operator: bool) -> None:
    _require_one_place(data, database)
    if data is None:
        user_id = _in_database(partial(_set_offline, database, name, operator)).get("user_id")
    else:
        user_id = _in_folder(
            data,
            partial(_set_offline, data, name, operator),
            {"do": "add" if operator else "remove", "name": name},
        ).get("user_id")
    sentence = f"{name} is an operator now" if operator else f"{name} is not an operator any more"
    out.say(sentence, name=name, user_id=str(user_id), operator=operator)


def _in_folder(
    data: Path, offline: Callable[[], Awaitable[dict[str, object]]], asked: dict[str, str], wait: float = SOCKET_SECONDS
) -> dict[str, object]:
    """Do something to a data folder: directly while no server holds it, else through that server's operator socket.

    A server whose data are in a database has a folder with a socket as well.
    """
    import trio

    from chatsrv.app.operator_socket import SOCKET_NAME
    from chatsrv_storage.engine.folder import DATABASE_NAME
    from chatsrv_storage.errors import FolderError, FolderInUse, FolderUnusable, Refusal

    try:
        if not (data / DATABASE_NAME).is_file():
            if not (data / SOCKET_NAME).is_socket():
                raise FolderUnusable(
                    f"There is no data of a server in {data}. Name the folder of `chatsrv serve --data`,"
                    " or by --database where it keeps its data."
                )
            elsewhere = f"The server of {data} keeps its data in a database: name that by --database."
            return trio.run(partial(through_the_server, data, asked, in_use=elsewhere, wait=wait))
        try:
            return trio.run(offline)
        except FolderInUse as in_use:
            return trio.run(partial(through_the_server, data, asked, in_use=str(in_use), wait=wait))
    except FolderError as error:
        raise Failure(str(error), code="folder") from None
    except Refusal as refusal:
        raise Failure(refusal.message, code=refusal.code) from None


def _in_database(change: Callable[[], Awaitable[dict[str, object]]]) -> dict[str, object]:
    """Do something in a database, whether servers run on it or not."""
    import trio

    from chatsrv_storage.errors import FolderError, Refusal

    try:
        return trio.run(change)
    except FolderError as error:
        raise Failure(str(error), code="folder") from None
    except Refusal as refusal:
        raise Failure(refusal.message, code=refusal.code) from None


async def _set_offline(data: Path | str, name: str, operator: bool) -> dict[str, object]:
    from chatsrv_storage.accounts import accounts

    now_ms, actor = _now_and_actor()

    def change(conn: "SqlConnection") -> int:
        return accounts.set_operator(conn, actor, name, operator, now_ms)

    return {"user_id": await _write_offline(data, change)}


async def _backup_offline(data: Path, path: Path) -> dict[str, object]:
    from chatsrv_storage.accounts import audit_log
    from chatsrv_storage.interface import open_storage

    now_ms, actor = _now_and_actor()
    async with open_storage(data, inline=True) as storage:
        await storage.write(lambda conn: audit_log.note(conn, now_ms, actor, "backup", str(path)))
        await storage.backup(path)
    return {}


async def _write_offline(data: Path | str, job: "Callable[[SqlConnection], T]") -> T:
    from chatsrv_storage.interface import open_storage

    async with open_storage(data, inline=True) as storage:
        return await storage.write(job)


def _now_and_actor() -> tuple[int, str]:
    import os
    import time

    from chatsrv.app.operator_socket import local_name

    return time.time_ns() // 1_000_000, local_name(os.getuid())


async def through_the_server(
    data: Path, asked: dict[str, str], *, in_use: str, wait: float = SOCKET_SECONDS
) -> dict[str, object]:
    """Ask the server on a data folder; its answer. `in_use` begins what is said if it does not answer within `wait` s.

    Raises Refusal where it refuses.
    """
    import json

    import trio

    from chatsrv.app.operator_socket import socket_address
    from chatsrv_storage.errors import Refusal

    silent = Failure(f"{in_use} It does not answer on its operator socket either.", UNREACHABLE, code="unreachable")
    answer: dict[str, object] = {}
    try:
        with trio.move_on_after(wait) as waiting, socket_address(data) as address:
            async with await trio.open_unix_socket(address) as stream:
                await stream.send_all(json.dumps(asked).encode() + b"\n")
                line = b""
                while not line.endswith(b"\n") and (data_read := await stream.receive_some()):
                    line += data_read
            answer = json.loads(line)
        if waiting.cancelled_caught:
            raise silent
    except (OSError, RuntimeError, trio.BrokenResourceError, ValueError):
        raise silent from None
    if not answer["ok"]:
        raise Refusal(str(answer["error"]), str(answer["message"]))
    return answer
