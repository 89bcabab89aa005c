"""Every place where the rules of a group stand: each is asked for all rules, and tells those that it does not know."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatsrv.cli.declare import walk
from chatsrv.cli.root import build_app
from chatsrv.groups.wire import group_of
from chatsrv_domain.groups import ROLE_ADMIN, ROLE_MEMBER, RULES, Rule, RuleKind, Rules
from chatsrv_protocol import decode, encode
from chatsrv_protocol.governing import SetRules
from chatsrv_protocol.groups import GroupShown
from chatsrv_protocol.limits import LENGTH_BYTES
from chatsrv_storage.groups import governing, group_list
from chatsrv_storage.groups.group_state import both_states, group_state
from support.conversation_kit import Storage

ROOT = Path(__file__).parent.parent.parent

NOT_ON_THE_PAGE = frozenset({"max_members"})
"""Rules that people change by the command line only."""


def other(rule: Rule) -> int | bool:
    """A value that is not the rule's default."""
    match rule.kind:
        case RuleKind.FLAG:
            return not rule.default
        case RuleKind.ROLE:
            return ROLE_ADMIN if rule.default == ROLE_MEMBER else ROLE_MEMBER
        case _:
            return int(rule.default) + 7


def values(rules: Any) -> dict[str, int | bool]:
    """What rules say, wherever they are from."""
    return {rule.name: getattr(rules, rule.name) for rule in RULES}


def storage_and_wire(*new_columns: str) -> Iterator[tuple[str, Any, Any]]:
    """(place, what it says, what it should say) of rules on their way: stored, read, sent, and received."""
    storage = Storage()
    for column in new_columns:
        storage.conn.execute(f"alter table chat_group add column {column}")
    ann = storage.person("ann")
    group_id = storage.group(ann)
    wanted = {rule.name: other(rule) for rule in RULES}
    yield "a new group", values(group_state(storage.conn, group_id).rules), values(Rules())  # pyright: ignore

    command: Any = decode(encode(SetRules(bytes(16), group_id, **wanted), 1)[LENGTH_BYTES:]).message
    yield "the command", values(command), wanted
    yield "the command that changes nothing", set(values(SetRules(bytes(16), group_id)).values()), {None}
    storage.run(group_id, ann, governing.set_rules(wanted, 1000))
    group, _ = both_states(storage.conn, group_id, ann.user_id) or (None, None)
    yield "a group for who is in it", values(group.rules if group else None), wanted
    view = group_list.one(storage.conn, ann.user_id, group_id)
    yield "the list of groups", values(view.rules), wanted
    shown: Any = decode(encode(GroupShown(group_of(view), "", "", 0), 1)[LENGTH_BYTES:]).message
    yield "a group on the wire", values(shown.group.rules), wanted
    event: Any = storage.page(group_id, ann, 0)[-1]
    yield "the event that says so", values(event.rules), wanted


def options() -> Iterator[tuple[str, Any, Any]]:
    """The options of the command line."""
    (command,) = [each for words, each in walk(build_app()) if words == ("group", "rules")]
    command.prepare()
    parameters: dict[str | None, Any] = {one.name: one for one in command.params}
    for rule in RULES:
        yield f"option of {rule.name}", parameters[rule.name].help, rule.meaning


def generated() -> Iterator[tuple[str, Any, Any]]:
    """What is written into the tree by a script, and the page, whose words are in two languages."""
    names = [rule.name for rule in RULES]
    types = json.loads((ROOT / "protocol/types.json").read_text("utf-8"))
    (structure,) = [each for each in types["structs"] if each["name"] == "GroupRules"]
    (command,) = [each for each in types["types"] if each["name"] == "SetRules"]
    yield "types.json", [field["name"] for field in structure["fields"]], names
    yield "types.json, the command", [field["name"] for field in command["fields"]][2:], names
    client = (ROOT / "web/client/protocol.gen.ts").read_text("utf-8")
    found = re.search(r"export interface GroupRules \{(.*?)\n\}", client, re.DOTALL)
    assert found is not None
    yield "the browser's client", re.findall(r"^  (\w+):", found[1], re.MULTILINE), names
    specification = (ROOT / "protocol/README.md").read_text("utf-8")
    yield (
        "the specification",
        [f"- `{each.name}`: {each.meaning}" in specification for each in RULES],
        [True] * len(names),
    )
    manual = (ROOT / "docs/cli.md").read_text("utf-8")
    yield "the manual", [each.meaning in " ".join(manual.split()) for each in RULES], [True] * len(names)
    page = (ROOT / "web/page/views/group_settings.tsx").read_text("utf-8")
    yield "the page", [name for name in names if f'"{name}"' not in page], [*NOT_ON_THE_PAGE]


if __name__ == "__main__":
    wrong = [each for each in (*storage_and_wire(*sys.argv[1:]), *options()) if each[1] != each[2]]
    print(json.dumps([[rule.name for rule in RULES], [str(each) for each in wrong]]))
