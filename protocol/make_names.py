"""Writes chatsrv_names/unicode.txt from Unicode's files: `python protocol/make_names.py SCRIPTS EXTENSIONS ALIASES CONFUSABLES`.

The first three are Scripts.txt, ScriptExtensions.txt and PropertyValueAliases.txt of the Unicode Character Database (Debian's
package `unicode-data` has them); the last is confusables.json of the PyPI package `confusable_homoglyphs` (MIT), which is
Unicode's confusables.txt with each pair listed in both directions. The data are under the Unicode License.
"""

import json
import re
import sys
from itertools import groupby
from pathlib import Path

OUTPUT = Path(__file__).parent / "chatsrv_names" / "unicode.txt"
_RANGE = re.compile(r"([0-9A-F]+)(?:\.\.([0-9A-F]+))?\s*;\s*([^#]+?)\s*#")


def ranges(path: Path) -> list[tuple[int, int, str]]:
    """Return (first, last, value) of each line of a file of the Unicode Character Database."""
    found = (_RANGE.match(line) for line in path.read_text("utf-8").splitlines())
    return [(int(each[1], 16), int(each[2] or each[1], 16), each[3]) for each in found if each]


def short_names(path: Path) -> dict[str, str]:
    """Return the four letters of each script's name."""
    rows = [[part.strip() for part in line.split("#")[0].split(";")] for line in path.read_text("utf-8").splitlines()]
    return {row[2]: row[1] for row in rows if row[0] == "sc"}


def script_lines(scripts: Path, extensions: Path, aliases: Path) -> list[str]:
    """Return `first last scripts`, in hexadecimal, neighbours with the same scripts joined."""
    short = short_names(aliases)
    by_code = {code: short[name] for low, high, name in ranges(scripts) for code in range(low, high + 1)}
    for low, high, names in ranges(extensions):
        by_code |= dict.fromkeys(range(low, high + 1), " ".join(sorted(names.split())))
    lines: list[str] = []
    runs = groupby(enumerate(sorted(by_code)), lambda pair: (pair[1] - pair[0], by_code[pair[1]]))
    for (_, names), run in runs:
        codes = [code for _, code in run]
        lines.append(f"{codes[0]:x} {codes[-1]:x} {names}")
    return lines


def prototype_lines(confusables: Path) -> list[str]:
    """Return `characters prototype`: what looks like something else, and that. A prototype is what several look like."""
    listed: dict[str, list[dict[str, str]]] = json.loads(confusables.read_text("utf-8"))
    marks = str.maketrans("", "", "\u200e\u200f")
    alike = {
        key.translate(marks): {each["c"].translate(marks) for each in others} - {""} for key, others in listed.items()
    }
    lines: list[str] = []
    for source, others in sorted(alike.items()):
        if len(source) != 1 or len(others) != 1:
            continue
        (target,) = others
        if len(alike.get(target, ())) > 1 or (len(target), target) > (len(source), source):
            lines.append(f"{source} {target}")
    return [line for line in lines if len(line.split(" ")) == 2 and not line[0].isspace()]


def main() -> None:
    scripts, extensions, aliases, confusables = map(Path, sys.argv[1:])
    parts = [script_lines(scripts, extensions, aliases), prototype_lines(confusables)]
    OUTPUT.write_text("\n\n".join("\n".join(part) for part in parts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
