"""docs/dependencies.md names everything that an installation brings, and all of it may be used by anybody for anything."""

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/dependencies.md").read_text()


def maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_dependencies", ROOT / "docs/make_dependencies.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_licence_allows_any_use() -> None:
    _, wrong = maker().page()
    assert wrong == []


@pytest.mark.parametrize(
    ("licence", "free"),
    [
        ("MIT", True),
        ("Apache-2.0 AND BSD-2-Clause", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("", False),
    ],
)
def test_a_free_part_frees_no_other(licence: str, free: bool) -> None:
    assert maker().is_free(licence) == free


def test_everything_that_is_installed_is_on_the_page() -> None:
    assert [name for name in maker().needed("chatsrv") if f"| {name} |" not in PAGE] == []


def test_every_direct_dependency_is_on_the_page() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    texts = [
        *project["dependencies"],
        *(text for extra in ("cli", "chat", "server", "media") for text in extras[extra]),
    ]
    names = {re.split(r"[\[><=]", text)[0].lower() for text in texts} - {"chatsrv"}
    assert len(names) > 15
    assert [name for name in names if f"| {name} |" not in PAGE] == []
