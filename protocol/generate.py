"""Writes what is generated from the classes of the protocol: types.json, vectors/*.json, the tables and examples of
README.md, and the types of the browser's client library (web/client/protocol.gen.ts).

python protocol/generate.py           write what is stale
python protocol/generate.py --check   write nothing; exit code 1 and the names of the stale files if there are any
"""

import ast
import inspect
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

import conformance
import typescript
from chatsrv_protocol import BY_NUMBER, NUMBER_OF, REPLY_TO, STRUCTS, ErrorCode, encode, limits
from chatsrv_protocol.errors import ANY_COMMAND, ANY_MUTATION
from chatsrv_protocol.fields import FORBIDDEN, MEANINGS
from chatsrv_protocol.registry import REFUSALS, is_command, is_reply, is_sequence_event
from conformance import Json

HERE = Path(__file__).parent
CLIENT = HERE.parent / "web" / "client" / "protocol.gen.ts"
INTERNAL = {"MAX_BATCH_BYTES", "MAX_BATCH_COMMANDS", "MAX_OUTBOX_BYTES", "LENGTH_BYTES"}
"""Limits that no client can notice; they stay out of the specification."""


def kind_of(number: int) -> str:
    """Return what a number says about its message."""
    if is_command(number):
        return "command"
    if is_reply(number):
        return "reply"
    return "sequence event" if is_sequence_event(number) else "event"


def subject_of(cls: type[object]) -> str:
    """Return the module of a class, without the package."""
    return cls.__module__.rpartition(".")[2]


def doc_of(cls: type[object]) -> str:
    """Return the docstring, as it stands in the source without its indentation."""
    return inspect.cleandoc(cls.__dict__["__doc__"])


def _fields(cls: type[object]) -> list[Json]:
    made: list[Json] = []
    for attribute in attrs.fields(cls):
        of = conformance.wire(attribute)
        entry: Json = {"name": attribute.name, **of.describe()}
        if attribute.default is not attrs.NOTHING:
            entry["default"] = conformance.to_json(of, attribute.default)
        made.append(entry)
    return made


def _limits() -> list[tuple[str, object, str]]:
    """Return (name, value, docstring) of each limit that concerns a client."""
    body = ast.parse(inspect.getsource(limits)).body
    made: list[tuple[str, object, str]] = []
    for at, statement in enumerate(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name, after = statement.target.id, body[at + 1]
            assert isinstance(after, ast.Expr), f"limits.{name} has no docstring"
            if name not in INTERNAL:
                made.append((name, getattr(limits, name), ast.literal_eval(after.value)))
    return made


def types_json() -> str:
    """Return the machine-readable list of everything on the wire."""
    types: list[Json] = []
    for number, cls in sorted(BY_NUMBER.items()):
        entry: Json = {"number": number, "name": cls.__name__, "kind": kind_of(number)}
        entry |= {"subject": subject_of(cls), "doc": doc_of(cls), "fields": _fields(cls)}
        if cls in REPLY_TO:
            entry |= {"reply": REPLY_TO[cls].__name__, "errors": [code.value for code in _errors(cls)]}
        types.append(entry)
    structs = [{"name": name, "doc": doc_of(cls), "fields": _fields(cls)} for name, cls in sorted(STRUCTS.items())]
    whole = {
        "version": limits.VERSION,
        "limits": {
            name: str(value) if isinstance(value, int) and value > limits.MAX_EXACT else value
            for name, value, _ in _limits()
        },
        "forbidden_in_plain_strings": [[low, high] for low, high, _ in FORBIDDEN],
        "meanings": MEANINGS,
        "errors": {code.value: code.advice for code in ErrorCode},
        "errors_of_any_command": [code.value for code in ANY_COMMAND],
        "types": types,
        "structs": structs,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _errors(cls: type[object]) -> tuple[ErrorCode, ...]:
    mutation = any(attribute.name == "client_id" for attribute in attrs.fields(cls))
    return (*REFUSALS[cls], *(ANY_MUTATION if mutation else ()))


def _number(text: str) -> str:
    known = {str(2**63 - 1): "2⁶³−1", str(2**53 - 1): "2⁵³−1", str(2**32 - 1): "2³²−1"}
    return known.get(text, f"{int(text):,}")


def _words(of: Json) -> str:
    """Return a field's type in words."""
    if of.get("optional"):
        return _words({key: value for key, value in of.items() if key != "optional"}) + ", or nil"
    match of["type"]:
        case "integer":
            return f"{of['is']}, {_number(of['low'])} … {_number(of['high'])}"
        case "string":
            plain = ", plain" if of["plain"] else ""
            return f"string, {of['low']:,} … {of['high']:,} {of['unit']}{plain}"
        case "bytes" if of["low"] == of["high"]:
            return f"{of['low']} bytes"
        case "bytes":
            return f"{of['low']:,} … {of['high']:,} bytes"
        case "array":
            return f"array of at most {of['high']:,}: {_words(of['of'])}"
        case "struct":
            return f"[{of['struct']}](#{of['struct'].lower()})"
        case other:
            return other


def _default(value: object) -> str:
    """Return a default as the tables show it; an empty column is for fields that have none, and must be sent."""
    if value == "":
        return "empty"
    is_number = type(value) is int or (isinstance(value, str) and value.isdigit())
    return _number(str(value)) if is_number else json.dumps(value)


def _table(cls: type[object]) -> list[str]:
    rows = ["| field | type | default |", "| --- | --- | --- |"]
    for entry in _fields(cls):
        shown = _default(entry.pop("default")) if "default" in entry else ""
        rows.append(f"| `{entry['name']}` | {_words(entry)} | {shown} |")
    return rows if len(rows) > 2 else ["No fields."]


def tables() -> str:
    """Return every message and structure by subject."""
    lines: list[str] = []
    subject = ""
    for number, cls in sorted(BY_NUMBER.items()):
        if subject_of(cls) != subject:
            subject = subject_of(cls)
            lines += [f"### {subject.capitalize()}: 0x{number >> 8:02x}00 to 0x{number >> 8:02x}ff", ""]
            about = inspect.cleandoc(sys.modules[cls.__module__].__doc__ or "")
            lines += [about, ""]
            for name, made in STRUCTS.items():
                if subject_of(made) == subject:
                    lines += [f"#### {name}", "", f"Structure. {doc_of(made)}", "", *_table(made), ""]
        kind = kind_of(number)
        answer = f", answered by `{REPLY_TO[cls].__name__}`" if cls in REPLY_TO else ""
        lines += [f"#### 0x{number:04x} {cls.__name__}", "", f"{kind.capitalize()}{answer}. {doc_of(cls)}", ""]
        lines += [*_table(cls), ""]
        if cls in REPLY_TO and _errors(cls):
            lines += ["Errors: " + ", ".join(f"`{code}`" for code in _errors(cls)) + ".", ""]
    return "\n".join(lines).rstrip()


def error_table() -> str:
    """Return every code and what to do about it."""
    rows = [f"| `{code.value}` | {code.advice} |" for code in ErrorCode]
    anywhere = ", ".join(f"`{code}`" for code in ANY_COMMAND)
    return "\n".join(["| code | what a client does |", "| --- | --- |", *rows, "", f"Any command: {anywhere}."])


def limit_table() -> str:
    """Return every limit that a client can meet."""
    rows = [
        f"| `{name}` | {_number(str(value)) if isinstance(value, int) else value} | {' '.join(doc.split())} |"
        for name, value, doc in _limits()
    ]
    return "\n".join(["| limit | value | why |", "| --- | --- | --- |", *rows])


def meanings_table() -> str:
    """Return what each integer can be."""
    rows = [f"| `{of}` | {what} |" for of, what in MEANINGS.items()]
    return "\n".join(["| integer | what it is |", "| --- | --- |", *rows])


def plain_table() -> str:
    """Return what plain strings may not hold."""
    rows = [f"| U+{low:04X}{f' … U+{high:04X}' if high != low else ''} | {what} |" for low, high, what in FORBIDDEN]
    return "\n".join(["| code points | what they are |", "| --- | --- |", *rows])


def examples() -> str:
    """Return some frames of the conversations, byte by byte."""
    wanted = {"Hello", "Welcome", "Send", "Refused", "Message", "CatchUp"}
    lines: list[str] = []
    for talk in conformance.talks().values():
        for role, request_id, message in talk:
            name = type(message).__name__
            if name in wanted:
                wanted.discard(name)
                lines += [f"`{name}` from the {role.value}:", "", "```", *_annotated(message, request_id), "```", ""]
    return "\n".join(lines).rstrip()


def _annotated(message: object, request_id: int) -> list[str]:
    frame = encode(message, request_id)
    body = frame[limits.LENGTH_BYTES :]
    values: list[Any] = conformance.unpack(body)
    names = [attribute.name for attribute in attrs.fields(type(message))]
    parts = [(conformance.pack(value), value) for value in values]
    head = body[: len(body) - sum(len(part) for part, _ in parts)]
    rows = [(frame[: limits.LENGTH_BYTES], f"length of the body: {len(body)}"), (head, f"array of {len(values)}")]
    rows.append((parts[0][0], f"type 0x{NUMBER_OF[type(message)]:04x} {type(message).__name__}"))
    rows.append((parts[1][0], f"request id {request_id}"))
    for name, (part, value) in zip(names, parts[2:], strict=False):
        shown = value.hex() if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False)
        rows.append((part, f"{name} = {shown}"))
    lines: list[str] = []
    for data, meaning in rows:
        pieces = [data[at : at + 12].hex(" ") for at in range(0, len(data), 12)]
        lines.append(f"{pieces[0]:<36} {meaning}")
        lines += pieces[1:]
    return lines


def rights_table() -> str:
    """Return who may do what in a group: decided by the storage, which this package knows nothing of; so this script asks it."""
    from chatsrv_storage.groups import permissions

    return permissions.table()


def rights() -> dict[str, dict[str, int | str | bool]]:
    """Return the same table for the browser, operation by operation."""
    from chatsrv_storage.groups.permissions import Operation

    return {
        operation.name: {
            "least": operation.value.least,
            "direct": operation.value.direct,
            "higher": operation.value.needs_higher_role,
        }
        for operation in Operation
    }


SECTIONS: dict[str, Callable[[], str]] = {
    "tables": tables,
    "errors": error_table,
    "limits": limit_table,
    "rights": rights_table,
    "meanings": meanings_table,
    "plain": plain_table,
    "examples": examples,
}


def readme(text: str) -> str:
    """Return the specification with what stands between its markers made anew."""
    for name, make in SECTIONS.items():
        start, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        assert text.count(start) == text.count(end) == 1, f"README.md needs the markers of '{name}' once"
        made = f"{start}\n{make()}\n{end}"
        text = re.sub(re.escape(start) + ".*?" + re.escape(end), lambda _, made=made: made, text, flags=re.DOTALL)
    return text


def _lines(vectors: list[Json]) -> str:
    """Return a JSON array with one vector a line, so that a changed byte is one changed line."""
    return "[\n" + ",\n".join(json.dumps(vector) for vector in vectors) + "\n]\n"


def files() -> dict[Path, str]:
    """Return everything generated: path and content."""
    types = types_json()
    made = {HERE / "types.json": types, CLIENT: typescript.module(types, rights())}
    by_subject: dict[str, list[Json]] = {}
    for number, cls in sorted(BY_NUMBER.items()):
        by_subject.setdefault(subject_of(cls), []).extend(conformance.valid(number))
    vectors = HERE / "vectors"
    for subject, content in by_subject.items():
        made[vectors / f"valid-{subject}.json"] = _lines(content)
    made[vectors / "unknown-events.json"] = _lines(conformance.unknown())
    made[vectors / "invalid.json"] = _lines(conformance.invalid())
    made[vectors / "framing.json"] = _lines(conformance.framing())
    made[vectors / "handshake.json"] = json.dumps(conformance.conversations(), indent=1) + "\n"
    made[HERE / "README.md"] = readme((HERE / "README.md").read_text(encoding="utf-8"))
    return made


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit code."""
    made = files()
    orphans = [path for path in sorted((HERE / "vectors").glob("*.json")) if path not in made]
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if arguments == ["--check"]:
        for path in [*stale, *orphans]:
            sys.stdout.write(f"stale: {path.relative_to(HERE.parent)}; run: python protocol/generate.py\n")
        return 1 if stale or orphans else 0
    for path in stale:
        path.write_text(made[path], encoding="utf-8")
        sys.stdout.write(f"wrote {path.relative_to(HERE.parent)}\n")
    for path in orphans:
        path.unlink()
        sys.stdout.write(f"removed {path.relative_to(HERE.parent)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
