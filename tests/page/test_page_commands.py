"""Every command and event of the wire has an answer in the page: it is used, or here stands why not."""

import json
import re

import pytest
from support.page_kit import ROOT

WEB = ROOT / "web"
SOURCE = "\n".join(
    path.read_text()
    for top in ("client", "page")
    for path in sorted((WEB / top).rglob("*.ts*"))
    if path.suffix in {".ts", ".tsx"} and not path.name.endswith(".gen.ts") and "test" not in path.parts
)

OPERATOR = "for operators: the command line has it"
UNUSED_COMMANDS = {
    "Logout": "DELETE /session ends the session and takes the cookie away",
    "CatchUp": "the list of groups is fetched whole, and History fills followed groups",
    "MediaUrl": "the cookie lets the page fetch media",
    "ListReactions": "reactions are events above their message, and the page has all events above what it shows",
    "Backup": OPERATOR,
    "GrantMoney": OPERATOR,
}
UNUSED_EVENTS: dict[str, str] = {}

KINDS = {"command": UNUSED_COMMANDS, "event": UNUSED_EVENTS, "sequence event": UNUSED_EVENTS}
TYPES: list[dict[str, str]] = json.loads((ROOT / "protocol" / "types.json").read_text())["types"]
CASES = [(each["kind"], each["name"]) for each in TYPES if each["kind"] in KINDS]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_the_page_uses_it_or_says_why_not(kind: str, name: str):
    is_used = re.search(rf'"{name}"|^    {name}: \(', SOURCE, re.MULTILINE) is not None  # or as a line of the chat
    assert is_used != (name in KINDS[kind]), "used and excused" if is_used else "neither used nor excused"


def test_no_excuse_is_for_what_the_wire_does_not_have():
    assert len(CASES) > 100
    assert set(UNUSED_COMMANDS) | set(UNUSED_EVENTS) <= {name for _, name in CASES}
