"""Tables in Markdown, and their places in a page: between `<!-- NAME -->` and `<!-- end of NAME -->`."""

from collections.abc import Iterable, Mapping
from pathlib import Path


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table."""
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_tables(page: Path, tables: Mapping[str, str]) -> str:
    """Return the text of a page with these tables in their places. Raises SystemExit where it has no place for one."""
    text = page.read_text("utf-8")
    for name, made in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, there, rest = text.partition(begin)
        _, ends, after = rest.partition(end)
        if not there or not ends:
            raise SystemExit(f"{page} has no place for '{name}'")
        text = f"{before}{begin}\n{made}\n\n{end}{after}"
    return text
