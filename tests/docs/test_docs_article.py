"""The page about the article names files, tables and settings that exist, and none of the article's parts is forgotten."""

import re
from pathlib import Path

from chatsrv.config.schema import FIELDS

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "article.md").read_text("utf-8")
NAMED = re.findall(r"`([^`\n]+)`", PAGE)

COMPONENTS = (
    *("client", "WebSocket", "long-connection cluster", "message processing cluster", "message push cluster"),
    *("database cluster", "distributed file storage", "cache (Redis)"),
)
TABLES = ("User", "Group", "GroupMember", "RandomCode", "Message", "Media", "MessageState", "redpack", "redpack_record")
FLOWS = ("Creating a group", "Face to face", "Sending a message", "Unread counts", "A red packet", "Paying out")


def test_every_part_of_the_article_has_its_place() -> None:
    for name in (*COMPONENTS, *TABLES):
        assert f"\n| {name} | " in PAGE, name
    for name in FLOWS:
        assert f"\n**{name}.** " in PAGE, name


def test_every_path_exists() -> None:
    paths = [name for name in NAMED if "/" in name and " " not in name]
    assert len(paths) > 25
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_table_exists() -> None:
    schema = "\n".join(path.read_text() for path in (ROOT / "storage/chatsrv_storage/migrations").glob("*.sql"))
    section = PAGE.split("\n## Tables\n")[1].split("\n## ")[0]
    here = [
        name for row in re.findall(r"^\|[^|]+\|([^|]+)\|", section, re.MULTILINE) for name in re.findall("`(.+?)`", row)
    ]
    tables = {name for name in here if "/" not in name and name not in ("read_seq", "read_ordinal")}
    assert len(tables) > 12
    made = set(re.findall(r"create table (\w+)", schema)) | set(re.findall(r"rename to (\w+)", schema))
    assert tables - made == set()
    assert "redpack_split" in FIELDS
