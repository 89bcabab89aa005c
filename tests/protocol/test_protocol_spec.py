"""protocol/README.md and types.json: current, complete, and true of the classes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs

from chatsrv_protocol import BY_NUMBER, NUMBER_OF, REPLY_TO, STRUCTS, ErrorCode, limits
from chatsrv_protocol.errors import ANY_COMMAND, ANY_MUTATION
from chatsrv_protocol.fields import GROUP_ID, MEANINGS, SEQ, Integer, ListOf, Optional
from chatsrv_protocol.groups import ROLE_NAMES
from chatsrv_protocol.messages import KIND_NAMES
from chatsrv_protocol.redpack import MODE_NAMES
from chatsrv_protocol.registry import REFUSALS, is_command, is_reply, is_sequence_event

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "protocol" / "README.md").read_text(encoding="utf-8")
TYPES: Any = json.loads((ROOT / "protocol" / "types.json").read_text(encoding="utf-8"))


def test_what_is_generated_is_current():
    command = [sys.executable, str(ROOT / "protocol" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_specification_names_every_type_field_and_code():
    for number, cls in BY_NUMBER.items():
        assert f"#### 0x{number:04x} {cls.__name__}\n" in README
    for name, cls in STRUCTS.items():
        assert f"#### {name}\n" in README
        assert all(f"| `{attribute.name}` |" in README for attribute in attrs.fields(cls))
    for code in ErrorCode:
        assert f"| `{code.value}` |" in README


def test_what_the_prose_names_exists():
    """`Names` of messages and `snake_case` words in the prose are those of the code."""
    prose = re.sub(r"<!-- generated: (\w+) -->.*?<!-- end: \1 -->|```.*?```", "", README, flags=re.DOTALL)
    names = {cls.__name__ for cls in [*BY_NUMBER.values(), *STRUCTS.values()]}
    fields = {attribute.name for cls in [*BY_NUMBER.values(), *STRUCTS.values()] for attribute in attrs.fields(cls)}
    words = fields | {code.value for code in ErrorCode} | {"request_id"} | set(TYPES)
    for quoted in re.findall(r"`([A-Z]\w+)(?:\.\w+)?`", prose):
        assert quoted in names, quoted
    for quoted in re.findall(r"`([a-z]+_[a-z_]+)`", prose):
        assert quoted in words, quoted


def test_the_documentation_of_a_type_names_the_values_of_its_numbers():
    def named(numbers: dict[int, str]) -> list[str]:
        return [f"{number} {name}" for number, name in numbers.items()]

    shown = {entry["name"]: " ".join(entry["doc"].split()) for entry in TYPES["types"] + TYPES["structs"]}
    assert ", ".join(named(KIND_NAMES)) in shown["Message"]
    for name in ("PacketHead", "PreparePacket"):
        assert ", ".join(named(MODE_NAMES)) in shown[name]
    assert ", ".join(named(ROLE_NAMES)) in shown["Group"]


def test_every_code_says_what_a_client_does():
    for code in ErrorCode:
        assert code.advice.endswith((".", "?")), f"{code.name} needs its advice, the second value in errors.py"


def test_every_code_is_one_that_a_client_can_meet():
    """Each code is named by a command, or belongs to the connection as a whole."""
    connection = {
        ErrorCode.FRAME_TOO_LARGE,
        ErrorCode.FRAME_BROKEN,
        ErrorCode.HELLO_FIRST,
        ErrorCode.TIMED_OUT,
        ErrorCode.UNKNOWN_TYPE,
    }
    named = {code for codes in REFUSALS.values() for code in codes}
    reserved = {ErrorCode.MESSAGE_UNKNOWN}  # for what points at messages
    met = connection | named | set(ANY_COMMAND) | set(ANY_MUTATION) | reserved
    assert set(ErrorCode) <= met, "name the code in errors=(…) of the commands that are refused with it"


def test_numbers_say_who_sends_what():
    for number, cls in BY_NUMBER.items():
        assert 0 < number <= limits.MAX_NUMBER
        assert is_command(number) is (cls in REPLY_TO), cls
    for cls, reply in REPLY_TO.items():
        assert is_reply(NUMBER_OF[reply]), cls


def test_one_subject_has_one_range():
    ranges = {}
    for number, cls in BY_NUMBER.items():
        ranges.setdefault(cls.__module__, set()).add(number >> 8)
    assert all(len(subjects) == 1 for subjects in ranges.values())
    assert len({next(iter(subjects)) for subjects in ranges.values()}) == len(ranges)


def test_events_of_a_sequence_start_with_their_place():
    for number, cls in BY_NUMBER.items():
        if is_sequence_event(number):
            first, second, *_ = attrs.fields(cls)
            assert (first.name, second.name) == ("group_id", "seq"), cls
            assert (first.metadata["wire"], second.metadata["wire"]) == (GROUP_ID, SEQ), cls


def integers():
    """(class, field name, type, default) of each integer on the wire, inside lists and options too."""
    for cls in [*BY_NUMBER.values(), *STRUCTS.values()]:
        for attribute in attrs.fields(cls):
            of = attribute.metadata["wire"]
            while isinstance(of, (ListOf, Optional)):
                of = of.of
            if isinstance(of, Integer):
                yield cls, attribute.name, of, attribute.default


IDS = {
    "user",
    "group",
    "message",
    "medium",
    "packet",
    "session",
    "transfer",
    "withdrawal",
    "packet_or_withdrawal",
}


def test_only_ids_are_wider_than_a_double_is_exact():
    for cls, name, of, default in integers():
        assert (of.high > limits.MAX_EXACT) is (of.of in IDS), (cls, name)
        assert type(default) is not int or default <= limits.MAX_EXACT, (cls, name)


def test_each_meaning_of_an_integer_is_used_and_listed():
    assert {of.of for _, _, of, _ in integers()} == set(MEANINGS) - {"type"}  # that one is in UnknownEvent alone
    assert TYPES["meanings"] == MEANINGS


def test_an_integer_of_a_common_name_is_what_the_name_says():
    named = {"seq": "seq", "of": "seq", "reply_to": "seq", "edited_seq": "seq", "ordinal": "ordinal", "sent_at": "time"}
    named |= {"group_id": "group", "user_id": "user", "sender_id": "user", "packet_id": "packet", "media_id": "medium"}
    named |= {"cents": "cents", "limit": "count", "avatar": "medium", "session_id": "session"}
    for cls, name, of, _ in integers():
        assert of.of == named.get(name, of.of), (cls, name)


def test_types_json_says_what_an_integer_is():
    fields = {entry["name"]: {of["name"]: of for of in entry["fields"]} for entry in TYPES["types"] + TYPES["structs"]}
    assert fields["History"]["before"] == {
        "name": "before",
        "type": "integer",
        "is": "seq",
        "low": "0",
        "high": str(2**53 - 1),
        "default": 0,
    }
    assert fields["Send"]["group_id"]["is"] == "group"
    assert fields["PacketShown"]["luckiest"]["is"] == "opening_number"
    assert fields["GetProfiles"]["people"]["of"]["is"] == "user"


def test_a_client_id_comes_first():
    for cls in REPLY_TO:
        names = [attribute.name for attribute in attrs.fields(cls)]
        assert "client_id" not in names[1:], cls


def test_types_json_lists_what_there_is():
    assert {(entry["number"], entry["name"]) for entry in TYPES["types"]} == {
        (number, cls.__name__) for number, cls in BY_NUMBER.items()
    }
    structs = {entry["name"] for entry in TYPES["structs"]}
    assert structs == set(STRUCTS)
    names = {entry["name"] for entry in TYPES["types"]}
    for entry in TYPES["types"]:
        assert entry["doc"]
        assert entry.get("reply", "Done") in names
    assert TYPES["errors"] == {code.value: code.advice for code in ErrorCode}


def test_names_are_unique():
    names = [cls.__name__ for cls in [*BY_NUMBER.values(), *STRUCTS.values()]]
    assert len(names) == len(set(names))
