"""The base is the client alone, each extra brings what its part imports, and what is missing is named with its extra."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from support.cli_kit import serving_here

from chatsrv.extras import EXTRA_OF, install_advice

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE_MEGABYTES = 30
PARTS = ("cli", "chat", "server", "media")


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def names_in(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[><=]", text)[0].lower() for text in requirements} - {"chatsrv"}


def run_without(names: list[str], program: str) -> "subprocess.CompletedProcess[str]":
    code = f"import sys; sys.modules.update(dict.fromkeys({names!r}))\n{program}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_the_table_is_what_the_extras_bring() -> None:
    distributions = packages_distributions()
    base = names_in(PROJECT["dependencies"])
    for extra in PARTS:
        brought = names_in(PROJECT["optional-dependencies"][extra])
        for package in (name for name, brought_by in EXTRA_OF.items() if brought_by == extra):
            assert {_normal(name) for name in distributions[package]} & brought, package
    everything = {name for extra in PARTS for name in names_in(PROJECT["optional-dependencies"][extra])}
    listed = {_normal(name) for package in EXTRA_OF for name in distributions[package]}
    assert everything - listed - base == {"h11", "httpcore", "outcome", "wsproto"}  # the base needs these in turn


def test_a_bound_from_above_has_a_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text().split("\ntest = [", 1)[0].splitlines()
    bounded = [line for line in lines if re.match(r'\s+"[^"]*<', line)]
    assert len(bounded) > 5
    assert [line for line in bounded if "  # " not in line] == []


@pytest.mark.parametrize(
    ("extra", "arguments", "code"),
    [
        ("cli", ["whoami"], 2),
        ("server", ["serve"], 2),
        ("media", ["serve", "--http", "127.0.0.1:0"], 1),
        ("server", ["audit", "x"], 2),
    ],
)
def test_a_command_without_its_extra_says_what_to_install(
    extra: str, arguments: list[str], code: int, tmp_path: Path
) -> None:
    names = [name for name, brought_by in EXTRA_OF.items() if brought_by == extra]
    if "serve" in arguments:
        arguments = [*arguments, "--data", str(tmp_path)]
    done = run_without(names, f"from chatsrv.cli import main; main({arguments!r})")
    assert done.returncode == code, done.stderr
    assert f"pip install 'chatsrv[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_library_without_the_server_says_what_to_install() -> None:
    names = [name for name, brought_by in EXTRA_OF.items() if brought_by == "server"]
    done = run_without(names, "import chatsrv; chatsrv.open_client; chatsrv.open_server")
    assert "ImportError: chatsrv.open_server: this needs the package" in done.stderr
    assert "pip install 'chatsrv[server]'" in done.stderr


def test_what_no_extra_brings_is_a_fault_of_ours() -> None:
    assert install_advice("nothing_of_the_kind") is None
    assert install_advice(None) is None


TEN_LINES = """
import sys, chatsrv, trio

async def main():
    async with chatsrv.open_client(sys.argv[1]) as ann:
        await ann.register("ann", "correct horse")
        made = await ann.groups.create("weekend")
        group = ann.group(made.group_id)
        await group.send("hello from ten lines")
        print((await group.history())[0][-1].text)

trio.run(main)
"""


def test_the_base_in_a_fresh_environment_is_small_and_runs_the_ten_line_client(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    (wheel,) = wheels.iterdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True, timeout=60)
    python = tmp_path / "env" / "bin" / "python"
    install = [*pip, "--python", str(python), "install", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    assert size < BASE_MEGABYTES * 1_000_000
    with serving_here(tmp_path / "data") as url:
        done = subprocess.run([str(python), "-c", TEN_LINES, url], capture_output=True, text=True, timeout=60)
    assert done.stdout == "hello from ten lines\n", done.stderr
