"""The site has every page of docs/, its reference names what exists, and the glossary names what the code has."""

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PRODUCT = ("src", "protocol", "storage", "redpack")


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    listed = re.findall(r": (\S+\.md)$", navigation, re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in DOCS.glob("*.md"))


def test_the_reference_names_what_exists() -> None:
    named = re.findall(r"^::: (\S+)$", (DOCS / "reference.md").read_text(), re.MULTILINE)
    assert len(named) > 15
    for name in named:
        parent, _, last = name.rpartition(".")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            assert getattr(importlib.import_module(parent), last).__doc__, name


def test_the_glossary_names_what_the_code_has() -> None:
    source = "\n".join(path.read_text("utf-8") for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))
    words = set(re.findall(r"`([A-Z]\w+|\w+_\w+)`", (DOCS / "glossary.md").read_text()))
    assert len(words) > 40
    assert [word for word in sorted(words) if not re.search(rf"\b{word}\b", source)] == []
