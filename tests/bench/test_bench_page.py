"""The rows of `page`: each figure that the page has to reach has one, and a figure beyond its bound is missed."""

from typing import Any

from bench.reporting.target_checks import page
from bench.scenarios.page import IMPORT

MET: dict[str, Any] = {
    "options": {"messages": 10_000},
    "size": {"first_script_bytes": 60 * 1024, "largest_chunk_bytes": 40 * 1024, "style_bytes": 12 * 1024},
    "start": {"list_ms": 600.0, "list_slow_ms": 1000.0, "chat_drawn_ms": 200.0},
    "said_to_seen_ms": 200.0,
    "scroll": {"largest_move_px": 2.0, "rows_at_most": 120, "heap_bytes": 40 * 2**20},
    "flood": {"messages": 5000, "lost": 0, "frame_p99_ms": 150.0},
    "switches": {"heap_grown_bytes": 0, "nodes_grown": 0},
    "hidden": {"seconds": 600.0, "reconnects": 0},
}


def test_every_figure_has_a_bound() -> None:
    assert all(row.met for row in page(MET))
    for part, name in (
        ("start", "list_ms"),
        ("scroll", "largest_move_px"),
        ("flood", "lost"),
        ("hidden", "reconnects"),
    ):
        missed = page({**MET, part: {**MET[part], name: MET[part][name] + 1}})
        assert [row.met for row in missed].count(False) == 1


def test_imports_at_need_are_no_part_of_the_first_script() -> None:
    bundle = 'import{a as b}from"./chunk-AAAA2222.js";import"./chunk-BBBB3333.js";x=()=>import("./group-CCCC4444.js")'
    assert IMPORT.findall(bundle) == ["chunk-AAAA2222.js", "chunk-BBBB3333.js"]
