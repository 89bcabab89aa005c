"""What the docs name exists: files, links, modules that are run, and the defaults of settings."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from chatsrv.config import SETTINGS, Config

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "protocol/README.md", "storage/README.md", "redpack/README.md", "web/README.md",
                    "examples/*.md", "examples/*/*.md", "bench/results/README.md")
    for path in ROOT.glob(pattern)
)  # fmt: skip
SKIPPED = frozenset({"node_modules", ".git", ".venv", "dist", "site"})


def files_below(folder: Path) -> Iterator[str]:
    """The paths of all files, relative to the root."""
    for path in folder.iterdir():
        if path.name in SKIPPED:
            continue
        if path.is_dir():
            yield from files_below(path)
        else:
            yield path.relative_to(ROOT).as_posix()


FILES = frozenset(files_below(ROOT))

NOT_FILES = frozenset({"all.csv", "migrations/NNNN_name.sql"})
"""What a program writes, and a pattern."""

UNITS = {"s": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "hours": 1, "cents": 1, "": 1}


def there(page: Path, name: str) -> bool:
    """Whether a page may name this file: by its path from some folder on, or from the page's own."""
    if (page.parent / name).exists():
        return True
    shortened = name.replace("storage/", "storage/chatsrv_storage/", 1) if name.startswith("storage/") else name
    return any(f"/{file}".endswith((f"/{name}", f"/{shortened}")) for file in FILES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_links_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    named = set(re.findall(r"`([\w./-]+\.(?:py|md|sql|json|csv|svg|ts|tsx|conf|cfg|yaml))`", text)) - NOT_FILES
    linked = set(re.findall(r"\]\(([^)#: ]+)(?:#[^)]*)?\)", text))
    missing = [name for name in sorted(named) if not name.startswith("/") and not there(page, name)]
    missing += [link for link in sorted(linked) if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_that_are_run_exist(page: Path) -> None:
    named = set(re.findall(r"python -m ([\w.]+)", page.read_text("utf-8")))
    homes = (ROOT, ROOT / "tests")
    missing = [
        name
        for name in sorted(named)
        if not any(
            (home / (name.replace(".", "/") + ".py")).exists() or (home / name.replace(".", "/")).is_dir()
            for home in homes
        )
        and find_spec(name.partition(".")[0]) is None
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_defaults_of_settings_are_right(page: Path) -> None:
    """`stop_timeout` (5 s), `http_connections` (1,000): what stands in brackets behind a setting is its default."""
    wrong: list[str] = []
    for name, number, unit in re.findall(
        r"`(\w+)` \(([\d,.]+) ?(s|KiB|MiB|GiB|hours|cents|)\)", page.read_text("utf-8")
    ):
        setting = SETTINGS.get(name)
        if setting is None or setting.kind not in (int, float):
            continue
        value = float(getattr(Config(), name)) * (2**10 if setting.unit == "KiB" and unit else 1)
        if value != float(number.replace(",", "")) * UNITS[unit]:
            wrong.append(f"`{name}` ({number} {unit}): it is {value:g}")
    assert wrong == []
