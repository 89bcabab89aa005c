"""Everything that is generated is current, and the one command that regenerates it knows every generator."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TOOL = runpy.run_path(str(ROOT / "tools" / "generate.py"))
CHECKED = [script for script in TOOL["GENERATORS"] if script not in TOOL["NOT_CHECKED"]]


@pytest.mark.parametrize("script", CHECKED)
def test_what_is_committed_is_what_the_generator_writes(script: str) -> None:
    # In a process of its own: what other tests of this one changed in the command line would be written as well.
    program = f"import runpy; print(list(map(str, runpy.run_path('tools/generate.py')['stale_files']({script!r}))))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", ""), "run: make generate"


def test_the_command_knows_every_generator() -> None:
    folders = ("protocol", "redpack", "storage", "docs", "web")
    scripts = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts]
    with_files = {
        str(path.relative_to(ROOT))
        for path in scripts
        if re.search(r"^def files\(\) -> dict\[Path, str\]:", path.read_text("utf-8"), re.MULTILINE)
    }
    assert with_files == set(TOOL["GENERATORS"])


def test_a_stale_file_is_found_and_named(tmp_path: Path) -> None:
    script = tmp_path / "maker.py"
    target = tmp_path / "made.txt"
    script.write_text(f"from pathlib import Path\ndef files(): return {{Path({str(target)!r}): 'new'}}\n")
    assert list(TOOL["stale_files"](str(script))) == [target.resolve()]
    target.write_text("new")
    assert TOOL["stale_files"](str(script)) == {}
    target.write_text("old")
    assert TOOL["stale_files"](str(script)) == {target.resolve(): "new"}
