"""Regenerates everything that is generated: the wire specification, vectors, TypeScript types, docs and pictures.

python tools/generate.py            write what is stale, and name it
python tools/generate.py --check    write nothing; exit code 1 and the names of the stale files if there are any

Each generator is a script with a function `files()` that returns {path: content}, and stays usable by itself.
"""

import runpy
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent

GENERATORS: Final = (
    "protocol/generate.py",
    "redpack/vectors/generate.py",
    "docs/draw_distributions.py",
    "docs/make_cli.py",
    "docs/make_dependencies.py",
    "docs/make_performance.py",
    "docs/make_scale.py",
    "docs/make_settings.py",
)

NOT_CHECKED: Final = frozenset({"docs/make_dependencies.py"})
"""Their content depends on the versions that are installed; tests check what must hold in each environment."""


def generated(script: str) -> dict[Path, str]:
    """Run one generator: its files and what they should contain."""
    folder = str((ROOT / script).parent)
    sys.path.insert(0, folder)
    try:
        made: dict[Path, str] = runpy.run_path(str(ROOT / script))["files"]()
    finally:
        sys.path.remove(folder)
    return {path.resolve(): text for path, text in made.items()}


def stale_files(script: str) -> dict[Path, str]:
    """Return the files of one generator whose content on the disk is another, or that are missing."""
    return {
        path: text
        for path, text in generated(script).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def main(arguments: list[str]) -> int:
    """Write or check; return the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    checking = arguments == ["--check"]
    found = False
    for script in GENERATORS:
        if checking and script in NOT_CHECKED:
            continue
        for path, text in stale_files(script).items():
            found = True
            sys.stdout.write(f"{'stale' if checking else 'wrote'}: {path.relative_to(ROOT)}\n")
            if not checking:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if checking and found:
        sys.stdout.write("run: make generate\n")
    return 1 if checking and found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
