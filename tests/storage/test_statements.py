"""Every SQL statement that the storage says is one that both databases take: each is prepared on each.

Statements are found in the source, as the argument of `execute`: a text, or one put together from constants. Where a
function puts one together from its own variables, EXAMPLES has values for them, and a statement without is a failure.
"""

import ast
import importlib
import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
from support.postgres_kit import require_postgres, shared_postgres

import chatsrv_storage
from chatsrv_domain.groups import RULES
from chatsrv_storage import membership_check, row_checksums
from chatsrv_storage.accounts import operator_views
from chatsrv_storage.engine.connection import connect
from chatsrv_storage.engine.migrate import load_migrations, migrate
from chatsrv_storage.money import packet_audit, payouts
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.statements import numbered

ROOT = Path(chatsrv_storage.__file__).parent

ENGINES = frozenset(("engine", "postgres", "migrations", "migration_steps.py"))
SQLITE_ALONE = frozenset(("search_fts5.py", "schema_check.py"))
POSTGRESQL_ALONE = frozenset(("search_tsvector.py",))

TRANSACTIONS = frozenset(("savepoint", "release", "rollback", "ROLLBACK"))
"""What begins a statement that cannot be prepared."""

SEALED: list[dict[str, object]] = [
    {"table": table, "names": names, "where": " and ".join(f"{key} = ?" for key in names.key), "order": "", "after": ""}
    for table, names in row_checksums.TABLES.items()
]

EXAMPLES: Mapping[str, list[dict[str, object]]] = {
    "accounts.accounts": [{"user_ids": [1, 2], "names": ["", ""]}],
    "accounts.profiles": [{"user_ids": [1, 2], "others": [1, 2]}],
    "groups.consent": [{"which": which, "most": 1} for which in ("", "and invited_by = ?")],
    "groups.governing": [{"columns": f"{rule.column} = ?"} for rule in RULES],
    "membership_check": [{"marks": "?, ?", "query": query} for query, _ in membership_check._CURSORS],
    "messages.history": [{"newest": newest, "group_ids": [1, 2]} for newest in (True, False)],
    "messages.media": [{"digests": [b"", b""]}],
    "messages.upload_pieces": [{"names": ["", ""]}],
    "messages.paused_uploads": [{"of_user": "user_id = ? and media_id is null and expires_at > ?"}],
    "messages.push_notices": [{"group_ids": [1, 2], "senders": {1, 2}}],
    "messages.reports": [{"closed": closed} for closed in (False, True)],
    "messages.search": [{"groups": [1, 2]}],
    "money.packet_audit": [{"query": query} for query, _ in packet_audit._CROSS_CHECKS],
    "money.packets": [{"marks": ", ".join("?" * 20)}],
    "money.payouts": [{"query": query} for query, _ in payouts._CHECKS],
    "messages.search_fts5": [{"group_id": group_id} for group_id in (0, 1)],
    "row_checksums": SEALED,
}
"""Values of the variables from which a module puts statements together."""

CHECKS: Mapping[str, str] = dict.fromkeys(
    (
        "accounts.audit_log",
        "membership_check",
        "messages.history",
        "money.ledger",
        "money.packet_audit",
        "money.payouts",
        "row_checksums",
    ),
    "`check` and `audit` look over all of it",
)
WHOLE: Mapping[str, str] = {
    **CHECKS,
    "accounts.login_attempts": "those of the last minutes",
    "accounts.operator_views": "operators count people and groups",
    "accounts.push_subscriptions": "one row",
    "accounts.sessions": "once an hour, those that nobody used for long",
    "groups.face_to_face": "codes that are open now",
    "messages.media_claims": "uploads under way; once an hour",
    "money.packets": "packets prepared in the last minutes",
    "name_looks": "one row of the version; all names when it changed",
}
"""Modules that read a whole table, and why they may."""


def calls(tree: ast.AST) -> Iterator[ast.expr]:
    """The first argument of each call of `execute` and `executemany`."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        if node.func.attr in ("execute", "executemany"):
            yield node.args[0]


def found(left_out: frozenset[str], database_bytes: str) -> Iterator[tuple[str, str]]:
    """(where, statement) for every statement of every module but those left out; one is each database's own."""
    examples = {**EXAMPLES, "accounts.operator_views": [{"size": database_bytes}]}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if (ENGINES | left_out) & {parts[0], path.name} or path.name == "__init__.py":
            continue
        module = importlib.import_module(".".join(("chatsrv_storage", *parts)))
        for argument in calls(ast.parse(path.read_text())):
            code = compile(ast.Expression(argument), str(path), "eval")
            statements: dict[object, None] = {}
            for example in examples.get(".".join(parts), [{}]):
                statements[eval(code, {**vars(module), **example})] = None
            for statement in statements:
                assert isinstance(statement, str), f"{path}:{argument.lineno}"
                if statement.partition(" ")[0] not in TRANSACTIONS:
                    yield f"{'/'.join(parts)}:{argument.lineno}", statement


def test_sqlite_takes_every_statement(tmp_path: Path) -> None:
    path = tmp_path / "chat.sqlite3"
    path.touch()
    connection = connect(path)
    migrate(connection, load_migrations(), path)
    statements = list(found(POSTGRESQL_ALONE, operator_views.DATABASE_BYTES))
    assert len(statements) > 250
    refused: list[str] = []
    for where, statement in statements:
        text, names = numbered(statement)
        values = dict.fromkeys(names) if names else (None,) * text.count(b"$")
        try:
            connection.execute(f"explain {statement}", values).fetchall()
        except Exception as error:
            refused.append(f"{where}: {error}")
    connection.close()
    assert refused == []


def test_postgresql_prepares_every_statement() -> None:
    require_postgres()
    connection = PostgresConnection(shared_postgres().create())
    refused: list[str] = []
    for (where, statement), number in zip(
        found(SQLITE_ALONE, operator_views.DATABASE_BYTES_POSTGRESQL), itertools.count()
    ):
        try:
            connection.raw.execute(f"prepare s{number} as ".encode() + numbered(statement)[0])
        except psycopg.Error as error:
            refused.append(f"{where}: {error}")
    connection.close()
    assert refused == []


def test_postgresql_finds_rows_by_an_index_in_tables_that_it_has_not_analyzed() -> None:
    """A plan is made once and kept while the table grows, so what an empty table is read by counts."""
    require_postgres()
    connection = PostgresConnection(shared_postgres().create(), by_index=True)
    connection.raw.execute("set plan_cache_mode = force_generic_plan")
    whole: dict[str, list[str]] = {}
    for (where, statement), number in zip(
        found(SQLITE_ALONE, operator_views.DATABASE_BYTES_POSTGRESQL), itertools.count()
    ):
        text = numbered(statement)[0]
        connection.raw.execute(f"prepare s{number} as ".encode() + text)
        nulls = ", ".join(["null"] * max((int(each) for each in re.findall(rb"\$(\d+)", text)), default=0))
        plan = connection.raw.execute(f"explain execute s{number}{nulls and f'({nulls})'}".encode()).fetchall()
        if any("Seq Scan" in row[0] for row in plan):
            whole.setdefault(where.partition(":")[0].replace("/", "."), []).append(f"{where}: {statement}")
    connection.close()
    assert [each for module in whole.keys() - WHOLE for each in whole[module]] == []
    assert WHOLE.keys() - whole == set()


def test_no_statement_cuts_a_text_of_people() -> None:
    cut = [where for where, statement in found(frozenset(), operator_views.DATABASE_BYTES) if "substr(" in statement]
    # The detail of a row of the audit log, which the server writes.
    assert [where.partition(":")[0] for where in cut] == ["money/payouts"]
