"""Constants that stand in two packages, since neither may import the other, have one value; a new one has to be sorted."""

import ast
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest

from chatsrv.config import Config
from chatsrv_redpack import PacketLimits

ROOT = Path(__file__).parent.parent.parent

SAME = (
    ("chatsrv_protocol.invitations:MAX_INVITATIONS", "chatsrv_storage.groups.consent:MAX_INVITATIONS"),
    ("chatsrv_protocol.limits:MAX_EXCERPT", "chatsrv_storage.messages.message_content:EXCERPT"),
    ("chatsrv_protocol.limits:MAX_PREVIEW", "chatsrv_storage.groups.group_summary:PREVIEW"),
    ("chatsrv_protocol.limits:MAX_PINS", "chatsrv_storage.messages.reactions_pins:MAX_PINS"),
    ("chatsrv_protocol.limits:MAX_REACTIONS", "chatsrv_storage.messages.reactions_pins:MAX_REACTIONS"),
    ("chatsrv_protocol.limits:MAX_TITLE", "chatsrv_storage.groups.direct:TITLE_CHARACTERS"),
    ("chatsrv_protocol.limits:MAX_TINY_BYTES", "chatsrv.media.probe.facts:MAX_TINY"),
    ("chatsrv_protocol.limits:MAX_NUMBER", "chatsrv.media.probe.facts:MAX_SIDE"),
    ("chatsrv_protocol.limits:MAX_PAGE", "chatsrv.cli.commands.messages:PAGE"),
    ("chatsrv_protocol.limits:MAX_PAGE", "chatsrv.cli.commands.conversation:MOST_FOUND"),
    ("chatsrv_protocol.limits:MAX_ID", "chatsrv_redpack.checks:MAX_ID"),
    ("chatsrv_protocol.limits:MAX_CENTS", "chatsrv_redpack.money:MAX_CENTS"),
    ("chatsrv_protocol.limits:MAX_EXACT", "chatsrv_redpack.checks:MAX_MS"),
    ("chatsrv_protocol.presence:MAX_BLOCKED", "chatsrv_storage.accounts.profiles:MAX_BLOCKED"),
    ("chatsrv.presence.typing_notices:TYPING_AGAIN", "chatsrv.cli.chat.reports:TYPING_INTERVAL_SECONDS"),
    ("chatsrv.cli.errors:INTERRUPTED", "chatsrv.cli:_INTERRUPTED"),
)
"""Pairs with one meaning: neither end may import the other (layers), or must not for the time it takes."""

APART = {
    "CLOSE_GRACE_SECONDS": "each end of a connection waits for the other on its own account",
    "CLOSING": "each end of a WebSocket waits for the other on its own account",
    "CONNECT_TIMEOUT": "the library's default, and what the command line asks of it",
    "LONGEST_WAIT": "commands, transfers and payouts wait for different things",
    "TYPE_CHECKING": "a type checker's name, set where `typing` is not to be loaded",
    "MAX_ANSWER": "answers of a payment provider and of a media port",
    "MAX_KEYS": "two tables of the same size",
    "MAX_TRIES": "of a command, and of a piece of a file",
    "PROGRESS_STEPS": "how often a backup and a query look whether they are cancelled",
    "READ_BYTES": "how much is read at a time, by whoever reads",
    "REST_FACTOR": "for how long slow look-ups, and slow commits, keep the next ones out of the event loop's thread",
    "TRIES": "of a command, and of a piece of a file",
}
"""Names with equal values in several places by chance, and what each means."""

WORDS = ("MAX_", "MOST_")
UNITS = ("_BYTES", "_SECONDS", "_MS", "_CHARACTERS")


def bare(name: str) -> str:
    """What a constant's name says besides that it is a bound, and in which unit."""
    name = name.lstrip("_")
    for word in WORDS:
        name = name.removeprefix(word)
    for unit in UNITS:
        name = name.removesuffix(unit)
    return name


def written_out() -> dict[tuple[str, object], dict[str, str]]:
    """(bare name, value) of the product's constants that are written as numbers or strings: name by module."""
    found: defaultdict[tuple[str, object], dict[str, str]] = defaultdict(dict)
    for folder in ("src", "protocol", "storage", "redpack"):
        for path in sorted((ROOT / folder).rglob("chatsrv*/**/*.py")):
            module = ".".join(path.relative_to(ROOT / folder).with_suffix("").parts).removesuffix(".__init__")
            for name, value in constants(ast.parse(path.read_text("utf-8"))):
                found[bare(name), value][module] = name
    return found


def constants(tree: ast.Module) -> list[tuple[str, object]]:
    """Module-level names in capitals that are bound to numbers or strings, which may be calculated."""
    found: list[tuple[str, object]] = []
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                pairs = list(zip(names, values, strict=True))
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                pairs = [(target, value)]
            case _:
                continue
        for name, value in pairs:
            if isinstance(name, ast.Name) and name.id.isupper() and is_number_or_string(value):
                found.append((name.id, eval(compile(ast.Expression(value), "constant", "eval"), {"__builtins__": {}})))
    return found


def is_number_or_string(value: ast.expr) -> bool:
    """Whether it can be calculated without knowing any name."""
    allowed = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
    return all(isinstance(node, allowed) for node in ast.walk(value))


def test_the_scan_sees_what_stands_twice() -> None:
    found = written_out()
    for name, value in (("PINS", 50), ("FOREVER", 2**53 - 1), ("READ", 64 * 1024)):
        assert found[bare(name), value], name
    assert len(found["PINS", 50]) == 2
    assert bare("_MAX_TINY_BYTES") == "TINY"


def test_what_stands_twice_is_compared_or_known_to_differ_in_meaning() -> None:
    compared = {end for pair in SAME for end in pair}
    unsorted = [
        f"{module}:{name}"
        for modules in written_out().values()
        if len(modules) > 1
        for module, name in modules.items()
        if f"{module}:{name}" not in compared and name not in APART and bare(name) not in APART_BARE
    ]
    assert unsorted == [], "make them one, or add them to SAME or APART"


APART_BARE = {bare(name) for name in APART}


@pytest.mark.parametrize(("one", "other"), SAME, ids=lambda name: name.rpartition(".")[2])
def test_the_two_have_one_value(one: str, other: str) -> None:
    values = [getattr(import_module(module), name) for module, _, name in (one.partition(":"), other.partition(":"))]
    assert values[0] == values[1]


def test_the_bounds_of_packets_are_the_same_by_default_in_the_configuration_and_in_the_library() -> None:
    config, limits = Config(), PacketLimits()
    assert (config.redpack_min_average, config.redpack_max_average, config.redpack_max_shares) == (
        limits.min_average,
        limits.max_average,
        limits.max_shares,
    )


def test_the_commands_look_for_a_server_where_one_listens_by_default() -> None:
    online, serve = import_module("chatsrv.cli.online"), import_module("chatsrv.cli.commands.serve")
    assert f"tcp://{serve.DEFAULT_TCP}" == online.DEFAULT_SERVER
