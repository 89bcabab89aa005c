"""What only operators may do, that nobody else may, and that all of it is in the audit log."""

import sqlite3
from pathlib import Path
from typing import Any

import attrs
import pytest
import structlog
from support.server_kit import PASSWORD, client_id, connect, enter

from chatsrv.testing import QUICK, TestServer, open_test_server
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.common import Ping
from chatsrv_protocol.operator import (
    ACCOUNTS_PAGE,
    AUDIT_PAGE,
    AppointOwner,
    Backup,
    DissolveAnyGroup,
    EnableUser,
    ListAccounts,
    ListAllGroups,
    ListAudit,
    ResetPassword,
    ShowFigures,
)
from chatsrv_protocol.redpack import GrantMoney
from chatsrv_protocol.registry import REFUSALS
from chatsrv_protocol.reports import CloseReport, ListReports, ReportPerson
from chatsrv_protocol.session import Login, Resume, SessionOver
from chatsrv_storage.accounts import accounts, audit_log
from chatsrv_storage.engine.check import check_folder
from chatsrv_storage.errors import Refusal
from chatsrv_storage.messages import history


async def promote(server: TestServer, name: str, *, operator: bool = True) -> None:
    now = server.clock.now_ms()
    await server.server.services.storage.write(lambda conn: accounts.set_operator(conn, "root", name, operator, now))


async def audited(server: TestServer) -> list[tuple[Any, ...]]:
    """(actor, action, subject) of every row, and the chain is whole."""
    storage = server.server.services.storage
    assert await storage.read(lambda conn: list(audit_log.check(conn))) == []
    return await storage.read(
        lambda conn: conn.execute("select actor, action, subject from audit order by id").fetchall()
    )


@pytest.mark.parametrize(
    "command",
    [
        Backup("never.sqlite3"),
        EnableUser("ann", False),
        ResetPassword("ann", "a new password"),
        ListAllGroups(),
        ListAccounts("bo"),
        ListAudit(),
        ShowFigures(),
        AppointOwner(1, 1),
        DissolveAnyGroup(1),
        ListReports(),
        CloseReport(1),
    ],
)
async def test_nobody_else_may(command: Any, autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, _ = await enter(server, "ann", "bob")
        assert await ann.refused(command) == "operator_only"
        await promote(server, "ann")
        await promote(server, "ann", operator=False)
        assert await ann.refused(command) == "operator_only"
        assert [action for _, action, _ in await audited(server)] == ["operator_add", "operator_remove"]
        await (await connect(server)).login("ann")


async def test_every_command_for_operators_alone_is_audited(tmp_path: Path, autojump_clock: object) -> None:
    async with open_test_server(attrs.evolve(QUICK, data=tmp_path / "data")) as server:
        ann, bob = await enter(server, "ann", "bob")
        await promote(server, "ann")
        home = await ann.make_group("home", bob)
        await bob.ask(ReportPerson(ann.user_id, "rude"))
        commands = {
            "group_list": ListAllGroups(),
            "user_list": ListAccounts("bo"),
            "audit_list": ListAudit(),
            "figures": ShowFigures(),
            "report_list": ListReports(),
            "report_close": CloseReport(1),
            "group_owner": AppointOwner(home, bob.user_id),
            "group_dissolve": DissolveAnyGroup(home),
            "backup": Backup("backup.sqlite3"),
            "user_disable": EnableUser("bob", False),
            "user_reset_password": ResetPassword("bob", "a new password"),
            "wallet_grant": GrantMoney(client_id(server.clock.now_ms()), "bob", 100),
        }
        assert {type(command) for command in commands.values()} == {
            cls for cls, codes in REFUSALS.items() if ErrorCode.OPERATOR_ONLY in codes
        }
        for command in commands.values():
            await ann.ask(command)
        assert [row[:2] for row in (await audited(server))[1:]] == [("ann", action) for action in commands]


async def test_a_disabled_account_is_out_until_it_is_enabled_again(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        await promote(server, "ann")
        group_id = await ann.make_group("home", bob)
        token = bob.me.token  # type: ignore[union-attr]
        await ann.ask(EnableUser("BOB", False))
        await bob.until_end()
        assert isinstance(bob.events[-1], SessionOver)
        guest = await connect(server)
        await guest.hello()
        assert await guest.refused(Resume(token)) == "session_ended"
        assert await guest.refused(Login("bob", PASSWORD, "")) == "bad_credentials"
        await ann.say(group_id, "while bob is out")
        await ann.ask(EnableUser("bob", True))
        assert await guest.refused(Resume(token)) == "session_ended"
        await guest.ask(Login("bob", PASSWORD, ""))
        assert await guest.texts(group_id) == ["while bob is out"]
        assert await audited(server) == [
            ("root", "operator_add", "ann"), ("ann", "user_disable", "bob"), ("ann", "user_enable", "bob"),
        ]  # fmt: skip


async def test_a_disabled_operator_is_none(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        await promote(server, "ann")
        await promote(server, "bob")
        await ann.ask(EnableUser("bob", False))
        await bob.until_end()
        storage = server.server.services.storage
        with pytest.raises(Refusal, match="only an operator"):
            await storage.read(lambda conn: accounts.require_operator(conn, bob.user_id))


async def test_a_password_that_is_reset_ends_the_sessions(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        await promote(server, "ann")
        assert await ann.refused(ResetPassword("bob", "short")) == "password_weak"
        assert await ann.refused(ResetPassword("nobody", "long enough")) == "user_unknown"
        await bob.ask(Ping())
        await ann.ask(ResetPassword("bob", "long enough"))
        await bob.until_end()
        await (await connect(server)).login("bob", "long enough")
        assert (await audited(server))[-1] == ("ann", "user_reset_password", "bob")


async def test_an_unknown_user(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        await promote(server, "ann")
        assert await ann.refused(EnableUser("nobody", False)) == "user_unknown"


async def test_a_backup_restores(tmp_path: Path, autojump_clock: object) -> None:
    async with open_test_server(attrs.evolve(QUICK, data=tmp_path / "data")) as server:
        ann, bob = await enter(server, "ann", "bob")
        await promote(server, "ann")
        group_id = await ann.make_group("home", bob)
        await ann.say(group_id, "kept")
        token = bob.me.token  # type: ignore[union-attr]
        path = tmp_path / "data" / "backups" / "backup.sqlite3"
        await ann.ask(Backup(path.name))
        await ann.say(group_id, "after the backup")
        assert await ann.refused(Backup(path.name)) == "bad_field"
        assert (await audited(server))[-1] == ("ann", "backup", str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "restored").mkdir(mode=0o700)
    path.rename(tmp_path / "restored" / "chat.sqlite3")
    assert check_folder(tmp_path / "restored", [history.check, audit_log.check]) == []
    async with open_test_server(attrs.evolve(QUICK, data=tmp_path / "restored"), seed=1) as server:
        bob = await (await connect(server)).resume(token)
        assert await bob.texts(group_id) == ["kept"]
        assert (await bob.say(group_id, "goes on")).seq == 3


@pytest.mark.parametrize(
    "name",
    ["/tmp/a.sqlite3", "../chat.sqlite3", "..", ".hidden", "a/b", "a b", "a\n", "é", "x" * 100, "folder"],
)
async def test_a_backup_goes_nowhere_but_into_its_folder(name: str, tmp_path: Path, autojump_clock: object) -> None:
    data, folder = tmp_path / "data", tmp_path / "backups"
    (folder / "folder").mkdir(parents=True)
    before = set(tmp_path.rglob("*"))
    async with open_test_server(attrs.evolve(QUICK, data=data, backups=folder)) as server:
        (ann,) = await enter(server, "ann")
        await promote(server, "ann")
        if name == "x" * 100:
            await ann.ask(Backup(name))
            assert {path.name for path in folder.iterdir()} == {name, "folder"}
            return
        assert await ann.refused(Backup(name)) == "bad_field"
        await ann.ask(Ping())
        made = {path for path in set(tmp_path.rglob("*")) - before if path.parent != data and path != data}
        assert made == set()


async def test_a_server_without_a_folder_makes_no_backups(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        await promote(server, "ann")
        assert await ann.refused(Backup("backup.sqlite3")) == "bad_field"


async def test_the_head_of_the_audit_log_is_logged_after_each_operator_command(autojump_clock: object) -> None:
    lines: list[dict[str, Any]] = []

    def keep(_logger: Any, _method: str, event: Any) -> str:
        lines.append(dict(event))
        return ""

    log: Any = structlog.wrap_logger(structlog.ReturnLogger(), processors=[keep])
    async with open_test_server(log=log) as server:
        ann, _ = await enter(server, "ann", "bob")
        await promote(server, "ann")
        for command in (EnableUser("bob", False), EnableUser("bob", True)):
            await ann.ask(command)
            row, head = await server.server.services.storage.read(audit_log.head)
            assert lines[-1] == {"event": "audit log", "row": row, "head": head}
        assert len(head) == 64
        assert await ann.refused(EnableUser("nobody", False)) == "user_unknown"
        assert [line["row"] for line in lines if line["event"] == "audit log"] == [2, 3]


async def test_the_audit_log_cannot_be_changed_unseen(tmp_path: Path, autojump_clock: object) -> None:
    config = attrs.evolve(QUICK, data=tmp_path / "data")
    async with open_test_server(config) as server:
        await enter(server, "ann", "bob")
        for name in ("ann", "bob", "ann"):
            await promote(server, name)
    database = tmp_path / "data" / "chat.sqlite3"
    connection = sqlite3.connect(database, isolation_level=None)
    for statement in ("update audit set actor = 'x' where id = 2", "delete from audit where id = 2"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.execute("drop trigger audit_is_final")
    connection.execute("drop trigger audit_stays")
    connection.execute("update audit set actor = 'somebody else' where id = 2")
    assert any("row 2 was changed" in problem for problem in audit_log.check(connection))
    connection.execute("delete from audit where id = 2")
    assert any("row 2 is missing" in problem for problem in audit_log.check(connection))
    connection.close()


async def test_accounts_are_found_by_a_part_of_their_names_page_by_page(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        await promote(server, "ann")
        storage = server.server.services.storage
        for number in range(ACCOUNTS_PAGE + 20):
            user_id, name = 10_000 + number, f"Guest{chr(97 + number % 26)}{number}x"
            await storage.write(lambda conn, i=user_id, n=name: accounts.register(conn, i, n, "!", 1, vouched=True))
        first = await ann.ask(ListAccounts("gUEST"))
        assert (len(first.accounts), first.more) == (ACCOUNTS_PAGE, True)
        second = await ann.ask(ListAccounts("guest", first.accounts[-1].person.user_id))
        assert (len(second.accounts), second.more) == (20, False)
        (me,) = (await ann.ask(ListAccounts("ann"))).accounts
        assert (me.person.name, me.operator, me.disabled, me.sessions, me.groups) == ("ann", True, False, 1, 0)
        assert (await ann.ask(ListAccounts("%"))).accounts == ()


async def test_the_audit_log_is_shown_from_its_end(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        await promote(server, "ann")
        for _ in range(AUDIT_PAGE + 3):
            await ann.ask(ListAllGroups())
        page = await ann.ask(ListAudit())
        assert (len(page.entries), page.more) == (AUDIT_PAGE, True)
        assert (page.entries[0].actor, page.entries[0].action) == ("ann", "audit_list")
        rest = await ann.ask(ListAudit(page.entries[-1].number))
        assert [entry.number for entry in (*page.entries[1:], *rest.entries)] == list(range(AUDIT_PAGE + 4, 0, -1))
        assert not rest.more
        assert (rest.entries[-1].actor, rest.entries[-1].action, rest.entries[-1].subject) == (
            "root",
            "operator_add",
            "ann",
        )


async def test_figures_count_what_there_is(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        await promote(server, "ann")
        home = await ann.make_group("home", bob)
        await bob.say(home, "one")
        told = await ann.ask(ShowFigures())
        assert (told.accounts, told.disabled, told.groups, told.messages) == (2, 0, 1, 1)
        assert (told.users_online, told.connections, told.nodes, told.full, told.deaf) == (2, 2, 1, False, False)
        assert told.commands >= 2
        assert told.database_bytes > 0
