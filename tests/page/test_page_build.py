"""The page's build: what comes of it, what it may weigh, which layers it has, and the client library under node."""

import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import hatch_build
import pytest
import toolchain
from support.chromium import require
from support.page_kit import ROOT, install_packages, require_page

WEB = ROOT / "web"
SOURCES = [
    path for top in ("client", "page") for path in sorted((WEB / top).rglob("*.ts*")) if path.suffix in {".ts", ".tsx"}
]
MAX_LINES = 400

FIRST_SCRIPT_BYTES = 54 * 1024
CHUNK_BYTES = 40 * 1024
STYLE_BYTES = 12 * 1024

MAY_IMPORT = {
    "client": {"client"},
    "state": {"client", "state"},
    "words": {"client", "state", "words"},
    "parts": {"client", "state", "words", "parts"},
    "views": {"client", "state", "words", "parts", "views"},
    "main.tsx": {"state", "views", "words", "style"},
}
"""Which folder may know which."""


@pytest.fixture(scope="module")
def built() -> Path:
    require_page()
    return toolchain.OUT


def packed(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), 9))


def everything_imported(script: Path) -> set[Path]:
    """What a script needs before it runs."""
    found: set[Path] = set()
    wanted = [script]
    while wanted:
        text = wanted.pop().read_text()
        direct = {script.parent / name for name in re.findall(r'(?:from|import)"\./([^"]+)"', text)}
        wanted += direct - found
        found |= direct
    return found


def test_scripts_and_style_are_within_their_budgets(built: Path):
    [first] = built.glob("app-*.js")
    [style] = built.glob("app-*.css")
    imported = everything_imported(first)
    assert imported
    assert sum(packed(script) for script in (first, *imported)) <= FIRST_SCRIPT_BYTES
    assert packed(style) <= STYLE_BYTES
    assert all(packed(chunk) <= CHUNK_BYTES for chunk in built.glob("*-*.js") if chunk != first)


def test_the_index_names_what_is_there_and_nothing_inline(built: Path):
    index = (built / "index.html").read_text()
    named = re.findall(r'(?:src|href)="/([^"]+)"', index)
    assert len(named) >= 4
    assert all((built / name).is_file() for name in named)
    [first] = built.glob("app-*.js")
    preloaded = {built / name for name in re.findall(r'rel="modulepreload" href="/([^"]+)"', index)}
    assert preloaded == everything_imported(first)  # else each step of the imports costs a round trip
    assert not re.search(r"<style|style=|<script(?![^>]* src=)| on\w+=", index)


def test_the_index_has_an_icon_for_home_screens_and_a_colour_for_each_look(built: Path):
    index = (built / "index.html").read_text()
    [icon] = re.findall(r'<link rel="apple-touch-icon" href="/([^"]+)"', index)
    data = (built / icon).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (180, 180)
    colours = dict(
        re.findall(r'<meta name="theme-color" media="\(prefers-color-scheme: (\w+)\)" content="(#\w+)"', index)
    )
    style = "\n".join(path.read_text() for path in built.glob("app-*.css"))
    assert set(colours) == {"light", "dark"}
    assert all(re.search(rf"--side: ?{colour}", style) for colour in colours.values())


def test_the_bundle_names_no_other_host(built: Path):
    known = {"www.w3.org"}  # the namespace of SVG
    for path in built.glob("*-*.js"):
        assert set(re.findall(r"https?://([\w.-]+\.\w+)", path.read_text())) <= known


def test_a_fresh_page_is_not_built_again(built: Path, monkeypatch: pytest.MonkeyPatch):
    """An sdist holds a fresh page: it builds without a network and without node."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(toolchain, "build_in_copy", lambda: pytest.fail("built"))
    hook = hatch_build.PageHook(str(ROOT), {}, None, None, "", "wheel")  # pyright: ignore[reportArgumentType]
    data: dict[str, list[str]] = {"artifacts": []}
    hook.initialize("standard", data)
    assert hook.dependencies() == []
    assert data["artifacts"] == ["src/chatsrv/http/page/**"]


def test_the_lock_file_names_no_registry():
    lock = (WEB / "package-lock.json").read_text()
    assert '"integrity"' in lock
    assert '"resolved"' not in lock


def layer_of(path: Path) -> str:
    parts = path.relative_to(WEB).parts
    return parts[0] if parts[0] == "client" else parts[1]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(WEB).as_posix())
def test_a_source_is_short_and_keeps_its_layer(source: Path):
    text = source.read_text()
    if not source.name.endswith(".gen.ts"):
        assert text.count("\n") <= MAX_LINES
    assert "innerHTML" not in text
    if "test" in source.parts:
        return
    layer = layer_of(source)
    for target in re.findall(r'(?:from|import) "(\.[^"]+)"', text):
        assert layer_of((source.parent / target).resolve()) in MAY_IMPORT[layer], f"{source.name} imports {target}"
    if layer == "client":
        assert not re.search(r"\b(document|window|localStorage|navigator)\b", text.replace("a hidden page", ""))


def test_the_client_library_under_node(tmp_path: Path):
    found = toolchain.find_node()
    require("Node.js", found)
    assert found is not None
    install_packages()
    node, _ = found
    subprocess.run([node, "build.mjs", "test", str(tmp_path)], cwd=WEB, check=True)
    environment = {
        **os.environ,
        "CHATSRV_VECTORS": str(ROOT / "protocol" / "vectors"),
        "CHATSRV_FAIRNESS": str(ROOT / "redpack" / "vectors" / "fairness.json"),
    }
    tests = [str(path) for path in sorted(tmp_path.glob("*.test.mjs"))]
    assert len(tests) >= 4
    done = subprocess.run([node, "--test", *tests], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_an_sdist_becomes_a_wheel_with_the_same_page_without_a_network_and_without_node(built: Path, tmp_path: Path):
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path), "-t"]
    subprocess.run([*build, "sdist"], cwd=ROOT, check=True, capture_output=True)
    [archive] = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    # A network namespace of its own has no network; where the machine allows none, nothing but node's absence is held.
    alone = ["unshare", "--map-root-user", "--net"]
    is_alone = (
        shutil.which("unshare") and subprocess.run([*alone, "true"], check=False, capture_output=True).returncode == 0
    )
    command = [*(alone if is_alone else []), *build, "wheel"]
    environment = {**os.environ, "PATH": "/usr/bin:/bin" if is_alone else "/nonexistent", "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        command,
        cwd=archive.with_suffix("").with_suffix(""),
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed_wheel:
        names = set(packed_wheel.namelist())
        for path in built.iterdir():
            if not path.name.startswith("."):
                assert packed_wheel.read(f"chatsrv/http/page/{path.name}") == path.read_bytes()
    assert {"chatsrv/__init__.py", "chatsrv_protocol/__init__.py", "chatsrv_storage/__init__.py"} <= names
