"""Every read of the wire has its dearest case among those that are measured, and each of them works, small."""

from pathlib import Path

import attrs
import trio

from bench.data.full_database import Sizes, fill
from bench.scenarios.dearest_reads import NOT_MEASURED, QUERIES, READS, measure, table
from chatsrv.auth.rates import Cost
from chatsrv.commands.costs import COSTS, UNMETERED_BOUNDS
from chatsrv_protocol import REPLY_TO

LIMITS = Path(__file__).parent.parent.parent / "docs" / "limits.md"


def test_every_command_that_only_reads_has_a_dearest_case() -> None:
    reads = {cls for cls in REPLY_TO if "client_id" not in {field.name for field in attrs.fields(cls)}}
    assert not set(READS) & set(NOT_MEASURED)
    assert set(READS) | set(NOT_MEASURED) == reads, "say in dearest_reads.py what its dearest case is"


def test_every_read_that_is_not_metered_is_measured() -> None:
    free = {cls for cls in UNMETERED_BOUNDS if COSTS[cls] is Cost.FREE}
    unmeasured = {cls.__name__: NOT_MEASURED[cls] for cls in free - set(READS)}
    assert set(unmeasured) == {
        *("Ping", "Hello", "Register", "Login", "Resume", "ResumeHere", "Logout", "MediaUrl", "EnterCode", "ShowLobby"),
    }


def test_each_case_is_measured_and_stands_in_the_documentation(tmp_path: Path) -> None:
    sizes = Sizes(members=20, groups=8, messages=60, transfers=30, media=20, waiting=30, strangers=5)
    fill(tmp_path / "data", sizes)
    figures = trio.run(measure, tmp_path / "data", sizes, 1)
    assert set(figures) == {cls.__name__ for cls in READS} | set(QUERIES)
    assert all(size > 0 for name, (_, _, size) in figures.items() if name not in QUERIES)
    assert table(figures).count("\n") == len(figures) + 1
    documented = LIMITS.read_text("utf-8")
    assert [name for name in figures if f"| `{name}` |" not in documented] == []
