"""Commands as functions declare them, and completion of what they declare."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import click
import pytest

from chatsrv.cli.declare import Argument, CommandGroup, DeclaredCommand, LoadingGroup, Option

Seen = dict[str, object]


def command(seen: Seen) -> DeclaredCommand:
    def work(
        ctx: click.Context,
        place: Annotated[str, Argument(metavar="G", help="Where.")],
        number: Annotated[int | None, Argument(metavar="N", help="Which.", min=1)] = None,
        names: Annotated[list[str] | None, Option("--name", help="Who.")] = None,
        kind: Annotated[Literal["a", "b"] | None, Option(help="What kind.")] = None,
        loud: Annotated[bool | None, Option("--loud/--quiet", help="How.")] = None,
        limit: Annotated[int, Option(help="How many.", min=1, max=9)] = 5,
        file: Annotated[Path | None, Option(help="What from.")] = None,
    ) -> None:
        """Do something."""
        seen.update(locals())
        seen.pop("seen")

    return DeclaredCommand("work", work)


def call(words: str) -> Seen:
    seen: Seen = {}
    command(seen).main(words.split(), standalone_mode=False)
    assert isinstance(seen.pop("ctx"), click.Context)
    return seen


def test_what_a_function_gets() -> None:
    nothing = {"number": None, "names": None, "kind": None, "loud": None, "limit": 5, "file": None}
    assert call("here") == {"place": "here", **nothing}
    assert call("here 7 --name x --name y --kind b --quiet --limit 9 --file f") == {
        "place": "here", "number": 7, "names": ["x", "y"], "kind": "b", "loud": False, "limit": 9, "file": Path("f"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "Missing argument 'G'."),
        ("here x", "Invalid value for '[N]': 'x' is not a valid integer."),
        ("here 0", "Invalid value for '[N]': 0 is not in the range x>=1."),
        ("here --limit 10", "Invalid value for '--limit': 10 is not in the range 1<=x<=9."),
        ("here --kind c", "Invalid value for '--kind': 'c' is not one of 'a', 'b'."),
        ("here 1 2", "Got unexpected extra argument (2)"),
    ],
)
def test_what_is_not_understood(words: str, sentence: str) -> None:
    with pytest.raises(click.UsageError) as raised:
        call(words)
    assert raised.value.format_message() == sentence


def test_help_says_what_is_declared() -> None:
    with click.Context(command({}), info_name="work") as ctx:
        text = command({}).get_help(ctx)
    assert "Usage: work [OPTIONS] G [N]" in text
    assert "G    Where.  [required]" in text
    assert "[N]  Which.  [x>=1]" in text
    assert "How many.  [default: 5; 1<=x<=9]" in text
    assert "--loud / --quiet" in text


def test_a_group_makes_only_the_command_that_is_called() -> None:
    made: list[str] = []

    def load(name: str) -> click.Command:
        made.append(name)
        return command({})

    group = LoadingGroup("g", ["one", "two"], load, help="Both.")
    group.main(["two", "here"], standalone_mode=False)
    assert made == ["two"]
    assert group.list_commands(click.Context(group)) == ["one", "two"]
    with pytest.raises(click.UsageError) as raised:
        group.main(["twoo"], standalone_mode=False)
    assert raised.value.format_message() == "No such command 'twoo'. Did you mean 'two'?"
    assert list(CommandGroup(help="None.").named("none").commands) == []


def chatsrv(home: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    inherited = {**os.environ, "HOME": str(home), "SHELL": "/bin/bash", **environment}
    command = [sys.executable, "-c", "from chatsrv.cli import main; main()", *words]
    return subprocess.run(command, capture_output=True, text=True, env=inherited, timeout=120)


@pytest.mark.parametrize(
    ("typed", "word", "expected"),
    [
        ("chatsrv gro", 1, "group"),
        ("chatsrv group mem", 2, "members"),
        ("chatsrv send G --cap", 3, "--caption"),
    ],
)
def test_completion(tmp_path: Path, typed: str, word: int, expected: str) -> None:
    asked = {"_CHATSRV_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(word)}
    assert chatsrv(tmp_path, **asked).stdout == f"plain,{expected}\n"


@pytest.mark.parametrize(("shell", "profile"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", None)])
def test_completion_is_installed_once(tmp_path: Path, shell: str, profile: str | None) -> None:
    if profile is not None:
        (tmp_path / profile).write_text("alias ll='ls -l'")
    chatsrv(tmp_path, "--install-completion", SHELL=f"/usr/bin/{shell}")
    done = chatsrv(tmp_path, "--install-completion", SHELL=f"/usr/bin/{shell}")
    assert done.returncode == 0, done.stderr
    script = Path(done.stdout.splitlines()[0].partition(" installed in ")[2])
    shown = chatsrv(tmp_path, "--show-completion", SHELL=f"/usr/bin/{shell}").stdout
    assert "_CHATSRV_COMPLETE" in shown
    assert script.read_text().strip() == shown.strip()
    if profile is not None:
        lines = (tmp_path / profile).read_text().splitlines()
        assert lines[0] == "alias ll='ls -l'"
        assert len(lines) == 2


def test_a_shell_without_completion_is_named_so(tmp_path: Path) -> None:
    done = chatsrv(tmp_path, "--show-completion", SHELL="/bin/tcsh")
    assert done.returncode == 2
    assert "completion for bash, zsh, fish" in done.stderr
