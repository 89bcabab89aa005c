"""README and docs say what the commands do: the transcript, the ten lines, the reference, the links."""

import re
import runpy
import shlex
from collections.abc import Generator
from pathlib import Path

import pytest
from support.cli_kit import Shell, serving_here

from chatsrv.cli.root import build_app

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ID = r"\b\d{15,19}\b"


@pytest.fixture
def shell(tmp_path: Path) -> Generator[Shell]:
    with serving_here(tmp_path / "data") as url:
        yield Shell(tmp_path, url)


def steady(text: str) -> str:
    """Without what differs from run to run: ids, times, ports, shares and who was lucky, and the spaces at the ends of lines."""
    for pattern, instead in (
        (ID, "ID"),
        (r"\b\d{13}\b", "MS"),
        (r"\b\d\d:\d\d:\d\d\b", "TIME"),
        (r"tcp://127\.0\.0\.1:\d+", "URL"),
        (r"¥\d\.\d\d\b", "SHARE"),
        (r" luckiest$", ""),
        (r"[ ]+$", ""),
    ):
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text.strip()


def test_the_transcripts_are_what_the_commands_print(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    transcripts = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    steps = re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", "".join(transcripts), re.MULTILINE)
    assert [transcript.count("$ ") for transcript in transcripts] == [8, 8]
    ids: dict[str, str] = {}  # those of the page, and those of this run
    for line, expected in steps:
        words = shlex.split(line)
        stdin = words[1] + "\n" if words[0] == "echo" else ""
        done = shell.call(*(ids.get(word, word) for word in words[words.index("chatsrv") + 1 :]), stdin=stdin)
        assert steady(done.out) == steady(expected), line
        ids |= zip(re.findall(ID, expected), re.findall(ID, done.out), strict=True)


def test_the_ten_lines_run_as_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "hello from ten lines\n"


def test_the_reference_is_current() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_cli.py"))
    assert made["render"]() == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), "run: python docs/make_cli.py"


def test_every_command_and_option_has_help() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_cli.py"))
    found = dict(made["commands"]())
    assert len(found) > 20
    for words, callback in found.items():
        summary = made["_summary"](callback)
        assert re.fullmatch(r"[A-Z][^`]{10,140}[.]|[A-Z].{10,140}[.]", summary), words
    assert all(command.help for command in build_app().commands.values())


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docs/library.md",
        "examples/README.md",
        "docs/operation.md",
        "docs/cli.md",
    ],
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w-]", "", line.lstrip("# ").replace(" ", "-")) for line in text.splitlines() if line[:1] == "#"
    }
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("#"):
            assert link[1:] in headings, link
        elif not link.startswith("https://"):
            assert ((ROOT / page).parent / link).exists(), link


def test_the_examples_of_the_operators_page_are_settings() -> None:
    import tomllib

    from chatsrv.config import SETTINGS

    text = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert set(tomllib.loads(example)) <= SETTINGS.keys()
