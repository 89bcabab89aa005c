"""Writes docs/dependencies.md from the metadata of what is installed: `python docs/make_dependencies.py`.

Lists what `pip install 'chatsrv[all]'` brings, with all that this needs in turn, and each one's licence. Fails where a licence is
not one of those known to allow any use.
"""

import re
import sys
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import cast

from packaging.requirements import Requirement

PAGE = Path(__file__).parent / "dependencies.md"
FREE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|HPND|Historical Permission|MPL|Mozilla Public|Unlicense|0BSD|CC0|Zlib",
    re.IGNORECASE,
)
"""MPL-2.0 asks only that changes of its own files are published."""
BINDING = re.compile(r"GPL|SSPL|BUSL|Business Source|Commons Clause|Proprietary|EUPL|CDDL", re.IGNORECASE)
"""Licences that ask more than that, which may stand beside a free one in an expression such as `MIT AND GPL-3.0-only`."""

EXTRAS = ("", "cli", "chat", "server", "media")
"""What people install: the base and each extra that is not for development."""

HEAD = """# Dependencies and their licences

What `pip install 'chatsrv[all]'` brings; made by `python docs/make_dependencies.py` from the metadata of what is installed, and
checked by `tests/docs/test_docs_dependencies.py`. All of these licences allow any use, commercial use included. What only
tests, linters, docs and fuzzers need (the extras `test`, `lint`, `docs` and `fuzz`) is not part of what runs. The base,
`pip install chatsrv`, is the client library: attrs, httpx, msgpack, trio, trio-websocket and what these need.

To know when you pass on more than this: the wheels of `av` carry FFmpeg (LGPL-3.0-or-later by its own word) and codecs
beside it, x264 and x265 (GPL-2.0-or-later) among them. Using them is free; an image or installer that contains them is
passed on under their terms. Pillow's wheels carry image libraries under permissive licences. chatsrv's own code is MIT.

| package | licence | needed by |
| --- | --- | --- |
"""


def licence_of(name: str) -> str:
    """The licence a distribution names for itself: an SPDX expression, else its classifiers, else its short text."""
    found = cast("Message", metadata.metadata(name))  # its own type has no `get` before Python 3.12
    if found.get("License-Expression"):
        return str(found["License-Expression"])
    classified = [
        line.rpartition(" :: ")[2] for line in found.get_all("Classifier") or [] if line.startswith("License")
    ]
    named = [line for line in classified if line != "OSI Approved"]
    return ", ".join(named) or str(found.get("License") or "").partition("\n")[0]


def is_free(licence: str) -> bool:
    """Whether each part of an expression, or one of the alternatives it offers, allows any use."""
    return any(FREE.search(choice) and not BINDING.search(choice) for choice in re.split(r"\bOR\b", licence))


def _is_wanted(requirement: Requirement, extras: tuple[str, ...]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


def needed(root: str) -> dict[str, list[str]]:
    """Every distribution that one needs, directly or not, on this interpreter, and who needs it."""
    users: dict[str, list[str]] = {}
    waiting = [root]
    while waiting:
        user = waiting.pop(0)
        for text in metadata.requires(user) or []:
            requirement = Requirement(text)
            if not _is_wanted(requirement, EXTRAS if user == root else ("",)):
                continue
            name = re.sub(r"[-_.]+", "-", requirement.name).lower()
            if name == root:
                continue
            if name not in users:
                users[name] = []
                waiting.append(name)
            if user not in users[name]:
                users[name].append(user)
    return users


def page() -> tuple[str, list[str]]:
    """The page, and what is wrong with it: packages whose licence is not known to allow any use."""
    users = needed("chatsrv")
    rows = [(name, licence_of(name), ", ".join(sorted(users[name]))) for name in sorted(users)]
    wrong = [f"{name}: {licence or 'no licence named'}" for name, licence, _ in rows if not is_free(licence)]
    return HEAD + "".join(f"| {name} | {licence} | {by} |\n" for name, licence, by in rows), wrong


def files() -> dict[Path, str]:
    """What `make generate` writes."""
    return {PAGE: page()[0]}


def main() -> int:
    text, wrong = page()
    PAGE.write_text(text)
    print("\n".join(wrong) or f"{PAGE}: {text.count(chr(10)) - HEAD.count(chr(10))} packages")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
