"""`python -m bench.scenarios.dearest_reads`: the dearest case of every read, in milliseconds of CPU and bytes of the answer.

Each command of the wire that only reads stands in `READS` with the case that costs most, or in `NOT_MEASURED` with the
reason; a test fails for one that is in neither. The database is filled by plain SQL up to the bounds of docs/limits.md: a group
of 500, somebody in 2,000 groups, messages of 16 KiB, 200 versions. The command runs through its handler, on one thread.

With `--database DSN` (an empty PostgreSQL database) the same data is moved there, and the time is measured in place of CPU:
most of the work is then another process's.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from bench.data import full_database as data
from bench.data.full_database import FIRST, GROUP, MANY, ME, MESSAGE, PACKET
from chatsrv.app import open_server
from chatsrv.commands.context import Deferred, Request, Services
from chatsrv.commands.sync import SHORT_CATCH_UP_EVENTS, SHORT_LIST_GROUPS
from chatsrv.commands.table import HANDLERS
from chatsrv.config import Config
from chatsrv_protocol import (
    common,
    conversation,
    encode,
    face_to_face,
    governing,
    groups,
    invitations,
    limits,
    media,
    operator,
    presence,
    push,
    redpack,
    reports,
    session,
    sync,
)
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages import history, own_media
from chatsrv_storage.postgres.move import to_database

Make = Callable[[data.Sizes], Any]


def _strangers(sizes: data.Sizes, most: int) -> tuple[int, ...]:
    """Return people in as many groups as ME, none of which both are in: each is looked for in all of them."""
    first = FIRST + sizes.members + sizes.waiting
    return tuple(range(first, first + min(most, sizes.strangers)))


READS: dict[type[Any], Make] = {
    session.ListSessions: lambda _: session.ListSessions(),
    session.FindPeople: lambda sizes: session.FindPeople(tuple(map(data.name_of, _strangers(sizes, 100)))),
    groups.ShowGroup: lambda _: groups.ShowGroup(GROUP),
    groups.ListMembers: lambda _: groups.ListMembers(GROUP),
    sync.ListGroups: lambda _: sync.ListGroups(),
    sync.History: lambda _: sync.History(GROUP, limit=limits.MAX_PAGE),
    sync.CatchUp: lambda sizes: sync.CatchUp(tuple(sync.Range(MANY + n, 0) for n in range(min(sizes.groups, 200)))),
    redpack.ShowPacket: lambda _: redpack.ShowPacket(PACKET),
    redpack.ShowBalance: lambda _: redpack.ShowBalance(),
    redpack.ShowStatement: lambda _: redpack.ShowStatement(limit=limits.MAX_PAGE),
    governing.ListBans: lambda _: governing.ListBans(GROUP),
    governing.ListInvites: lambda _: governing.ListInvites(GROUP),
    governing.ListJoinRequests: lambda _: governing.ListJoinRequests(GROUP),
    invitations.ListInvitations: lambda _: invitations.ListInvitations(),
    invitations.ListAddedGroups: lambda _: invitations.ListAddedGroups(),
    conversation.ListReceipts: lambda _: conversation.ListReceipts(GROUP, MESSAGE),
    conversation.ListReactions: lambda _: conversation.ListReactions(GROUP, MESSAGE),
    conversation.ListPins: lambda _: conversation.ListPins(GROUP),
    conversation.ListVersions: lambda _: conversation.ListVersions(GROUP, MESSAGE, max(0, data.VERSIONS - 3)),
    media.ListMedia: lambda _: media.ListMedia(GROUP),
    presence.GetProfiles: lambda sizes: presence.GetProfiles(_strangers(sizes, presence.MAX_PROFILES)),
    presence.ListBlocked: lambda _: presence.ListBlocked(),
    presence.WatchPresence: lambda sizes: presence.WatchPresence(_strangers(sizes, limits.MAX_PAGE)),
    presence.WhoIsHere: lambda _: presence.WhoIsHere(GROUP),
    operator.ListAllGroups: lambda _: operator.ListAllGroups(),
    operator.ListAccounts: lambda _: operator.ListAccounts("e"),
    operator.ListAudit: lambda _: operator.ListAudit(),
    operator.ShowFigures: lambda _: operator.ShowFigures(),
    push.ShowPush: lambda _: push.ShowPush(),
    reports.ListReports: lambda _: reports.ListReports(),
}  # fmt: skip
"""The dearest case of each read that needs the database alone."""

_NOT_A_READ = "changes something"
_BY_KEY = "one row by its key"

NOT_MEASURED: dict[type[Any], str] = {
    **dict.fromkeys((session.Logout, session.ChangePassword, session.EndSession), _NOT_A_READ),
    **dict.fromkeys((redpack.GrabPacket, sync.MarkRead, conversation.SetQuiet, conversation.Delivered), _NOT_A_READ),
    **dict.fromkeys((governing.OpenDirect, invitations.IgnoreInvitation, invitations.LeaveGroups), _NOT_A_READ),
    **dict.fromkeys((media.DeleteMedium, presence.SetProfile, presence.Block, presence.Typing), _NOT_A_READ),
    **dict.fromkeys((push.SubscribePush, push.UnsubscribePush), _NOT_A_READ),
    **dict.fromkeys((reports.ReportMessage, reports.ReportPerson, reports.CloseReport), _NOT_A_READ),
    **dict.fromkeys((operator.Backup, operator.EnableUser, operator.ResetPassword), _NOT_A_READ),
    **dict.fromkeys((operator.AppointOwner, operator.DissolveAnyGroup), _NOT_A_READ),
    **dict.fromkeys((session.Hello, session.Register, session.Login), "the limits of logins; a password's hash"),
    **dict.fromkeys((session.Resume, session.ResumeHere), _BY_KEY),
    media.MediaUrl: _BY_KEY,
    media.ShowMediaUsage: "its query alone, in QUERIES: the handler needs the HTTP side",
    conversation.Search: "a deadline of its own: bench/scenarios/search.py",
    **dict.fromkeys((face_to_face.EnterCode, face_to_face.ShowLobby, face_to_face.LeaveLobby), "memory only"),
    common.Ping: "no storage",
}
"""Every other command without a client id (those with one change something)."""


_SHORT: Final = [(data.SHORT + n, 1) for n in range(SHORT_LIST_GROUPS)]

QUERIES: dict[str, Callable[[SqlConnection], object]] = {
    "ShowMediaUsage": lambda conn: own_media.usage(conn, ME, data.NOW, None, media.OWN_PAGE),
    "CatchUp, short": lambda conn: history.catch_up(
        conn, data.READER, _SHORT, SHORT_CATCH_UP_EVENTS, limits.MAX_PAGE_BYTES, lambda _: None
    ),
}
"""Reads of which the query alone is measured."""


@attrs.define(eq=False)
class Asker:
    """A caller of handlers without a connection, who counts what it is sent."""

    actor: Actor
    session_id: int = 1
    peer: str = "127.0.0.1"
    may_send_secrets: bool = True
    may_register: bool = False
    page: str = ""
    cookie_token: bytes = b""
    sent_bytes: int = 0

    @property
    def user_id(self) -> int:
        """As a subscriber."""
        return self.actor.user_id

    @property
    def subscriber(self) -> Any:
        """The same object."""
        return self

    async def log_in(self, actor: Actor, session_id: int) -> int:
        """See context.Caller."""
        raise NotImplementedError

    def answer(self, request_id: int, message: object) -> None:
        """Count a reply."""
        self.sent_bytes += len(encode(message, request_id))

    def answer_encoded(self, request_id: int, frame: bytes) -> None:
        """Count a reply that was encoded already."""
        self.sent_bytes += len(frame)

    def stream(self, frames: bytes) -> None:
        """Count events of an answer."""
        self.sent_bytes += len(frames)

    def put_event(self, blob: Any) -> None:
        """Ignore live events, which are not counted."""

    def put_hint(self, blob: Any) -> bool:
        """Ignore hints, which are not counted."""
        return bool(blob)

    def end(self, reason: str) -> None:
        """See Subscriber."""
        raise NotImplementedError(reason)


async def ask(services: Services, asker: Asker, command: Any) -> int:
    """Run a command through its handler; return the bytes of its answer."""
    asker.sent_bytes = 0
    body = encode(command)[limits.LENGTH_BYTES :]
    handler = HANDLERS[type(command)].bind(services)
    reply = await handler(Request(services, asker, 1, body), command)
    assert not isinstance(reply, Deferred)
    asker.answer(1, reply)
    return asker.sent_bytes


async def measure(
    path: Path, sizes: data.Sizes, rounds: int, database: str = ""
) -> dict[str, tuple[float, float, int]]:
    """Return (median and worst milliseconds, bytes of the answer) of each read, by its name: of CPU, or of time with a database."""
    figures: dict[str, tuple[float, float, int]] = {}
    clock = time.perf_counter if database else time.process_time
    async with open_server(Config(data=path, database=database, durability="off")) as server:
        asker = Asker(Actor(ME, data.name_of(ME)))
        server.services.bus.register(asker)
        server.services.bus.attach(asker, {}, 0)
        for cls, make in READS.items():
            command, times, size = make(sizes), list[float](), 0
            for _ in range(rounds):
                began = clock()
                size = await ask(server.services, asker, command)
                times.append((clock() - began) * 1000)
            figures[cls.__name__] = statistics.median(times), max(times), size
        for name, query in QUERIES.items():
            times = list[float]()
            for _ in range(rounds):
                began = clock()
                await server.services.storage.read(query, ME)
                times.append((clock() - began) * 1000)
            figures[name] = statistics.median(times), max(times), 0
        server.services.bus.unregister(asker)
    return figures


def table(figures: dict[str, tuple[float, float, int]], measured: str = "CPU") -> str:
    """Return a Markdown table, the dearest first."""
    lines = [f"| read | {measured}, median | worst | answer |", "| --- | --- | --- | --- |"]
    for name, (median, worst, size) in sorted(figures.items(), key=lambda item: -item[1][0]):
        lines.append(f"| `{name}` | {median:.1f} ms | {worst:.1f} ms | {size / 1024:.1f} KiB |")
    return "\n".join(lines)


def main() -> int:
    """Fill a database, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--database", metavar="DSN", default="", help="an empty PostgreSQL database to measure on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        sizes = data.Sizes()
        data.fill(path, sizes)
        if options.database:
            to_database(path, options.database, ())
            path = Path(folder) / "beside"  # what a server on PostgreSQL keeps in files
        figures = trio.run(measure, path, sizes, options.rounds, options.database)
        print(table(figures, "time" if options.database else "CPU"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
