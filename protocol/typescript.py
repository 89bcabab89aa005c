"""Writes `web/client/protocol.gen.ts`: the wire as TypeScript types, and the table that the browser's codec runs on.

`python protocol/generate.py` calls it. Ids are decimal strings there (type `Id`), since a double is exact to 53 bits
only; every other integer is a number. A message or structure is one line of the table:

    NUMBER NAME FIELD:CODE=DEFAULT …

NUMBER is hexadecimal (0 for a structure). CODE is `i` an id, `n` a number, `s` a string, `y` bytes, `b` a boolean, or a
structure's name, after `?` where the field may be nil and `*` for an array of it. DEFAULT is JSON without white space.
"""

import json
from typing import Any, TypeAlias

from chatsrv_protocol.limits import MAX_EXACT

Json: TypeAlias = dict[str, Any]

SENT_STRUCTS = {"Range", "Position", "SendExtra"}
"""Structures that commands carry: their fields with a default may be left out, as those of a command."""

_CODES = {"string": ("s", "string"), "bytes": ("y", "Uint8Array"), "boolean": ("b", "boolean")}


def _code(of: Json) -> tuple[str, str]:
    """Return (code in the table, TypeScript type) of a field without its "or nil"."""
    match of["type"]:
        case "integer":
            return ("i", "Id") if int(of["high"]) > MAX_EXACT else ("n", "number")
        case "struct":
            return of["struct"], of["struct"]
        case "array":
            code, typed = _code(of["of"])
            return f"*{code}", f"{typed}[]"
        case other:
            return _CODES[other]


def _default(of: Json, code: str) -> str:
    value = of["default"]
    if code == "n" and value is not None:
        value = int(value)
    if of["type"] == "struct" and value is not None:
        value = 0  # a structure's default is made of its own defaults
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _doc(text: str, indent: str = "") -> str:
    return f"{indent}/** {text.splitlines()[0].replace('*/', '* /')} */"


def _interface(entry: Json) -> str:
    may_omit = entry.get("kind") == "command" or entry["name"] in SENT_STRUCTS
    lines = [_doc(entry["doc"]), f"export interface {entry['name']} {{"]
    for of in entry["fields"]:
        omit = "?" if may_omit and "default" in of else ""
        nil = " | null" if of.get("optional") else ""
        what = f" // {of['is']}" if of["type"] == "integer" else ""
        lines.append(f"  {of['name']}{omit}: {_code(of)[1]}{nil};{what}")
    return "\n".join([*lines, "}"])


def _row(entry: Json) -> str:
    columns = [f"{int(entry.get('number', 0)):x}", entry["name"]]
    for of in entry["fields"]:
        code, _ = _code(of)
        nil = "?" if of.get("optional") else ""
        columns.append(f"{of['name']}:{nil}{code}" + (f"={_default(of, code)}" if "default" in of else ""))
    row = " ".join(columns)
    assert row.count(" ") == len(columns) - 1, f"a default with a space in it: {row}"
    return row.replace("\\", "\\\\").replace("`", "\\`")


def module(types_json: str, rights: dict[str, Json]) -> str:
    """Return the text of the module, from the text of types.json and from who may do what in a group."""
    whole = json.loads(types_json)
    types, structs = whole["types"], whole["structs"]
    commands = [entry for entry in types if entry["kind"] == "command"]
    events = [entry for entry in types if entry["kind"] in {"event", "sequence event"}]
    limits = {name: value for name, value in whole["limits"].items() if isinstance(value, int)}
    parts = [
        "// Generated from protocol/types.json by protocol/generate.py: do not edit.",
        "/** A 63-bit id, in decimal. */\nexport type Id = string & { readonly unit: unique symbol };",
        *[_interface(entry) for entry in [*structs, *types]],
        _doc("What each command sends and how it is answered.") + "\nexport interface Commands {",
        *[f"  {entry['name']}: {{ send: {entry['name']}; reply: {entry['reply']} }};" for entry in commands],
        "}",
        _doc("What the server sends unasked, or as parts of an answer.") + "\nexport interface Events {",
        *[f"  {entry['name']}: {entry['name']};" for entry in events],
        "}",
        "/** Every code that `Refused.code` can be in this version. */\nexport type ErrorCode =",
        "\n".join(f"  | {json.dumps(code)}" for code in whole["errors"]) + ";",
        f"export const LIMITS = {json.dumps(limits, indent=2)} as const;",
        "/** What an operation in a group takes: the least role, or the rule that holds it; `higher`: over lower roles only. */\n"
        f"export const RIGHTS = {json.dumps(rights, indent=2)} as const;",
        "/** One message or structure a line; protocol/typescript.py says how to read it. */",
        "export const TABLE = `\n" + "\n".join(_row(entry) for entry in [*structs, *types]) + "\n`;",
    ]
    return "\n".join(parts) + "\n"
