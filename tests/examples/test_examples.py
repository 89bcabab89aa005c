"""Each program in examples/ does what its first line says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import toolchain
import trio
from support.cli_kit import serving_here

import chatsrv
from chatsrv_protocol.messages import Message

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
VECTORS = json.loads((ROOT / "redpack" / "vectors" / "fairness.json").read_text())
DEADLINE = 60


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)


def verify(tmp_path: Path, reveal: dict[str, Any], *seen: str) -> "subprocess.CompletedProcess[str]":
    found = toolchain.find_node()
    assert found is not None, "no node on PATH, and the wheel with one is not installed"
    path = tmp_path / "packet.json"
    path.write_text(json.dumps(reveal))
    return run(found[0], str(EXAMPLES / "verify_redpack.mjs"), str(path), *seen)


def test_each_example_is_listed_and_tested() -> None:
    listed = set(re.findall(r"\((\w+\.\w+)\)", (EXAMPLES / "README.md").read_text()))
    assert listed == {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".mjs")}
    assert all(name in Path(__file__).read_text() for name in listed)


def test_embedding_lets_its_own_users_in_and_refuses_texts() -> None:
    done = run(sys.executable, str(EXAMPLES / "embedding.py"))
    assert done.stdout.splitlines() == [
        "refused: bob, we do not advertise here",
        "#1 GroupCreated",
        "#2 To the mountains on Saturday?",
    ], done.stderr


def test_the_moderation_bot_recalls_and_mutes() -> None:
    done = run(sys.executable, str(EXAMPLES / "moderation_bot.py"))
    assert done.stdout.splitlines() == [
        "bob, no advertising here",
        "bob may write again in 10 minutes",
        "refused: muted",
    ], done.stderr


def test_the_echo_bot_answers(tmp_path: Path) -> None:
    async def talk(url: str) -> str:
        with trio.fail_after(DEADLINE):
            async with chatsrv.open_client(url) as ann:
                await ann.register("ann", "correct horse")
                (echo,) = await ann.people.find(["echo"])
                made = await ann.groups.create("weekend", [echo.user_id])
                sent = await ann.group(made.group_id).send("is anybody there?")
                async for event in ann.events():
                    if isinstance(event, Message) and event.sender == "echo":
                        assert event.extra is not None
                        assert event.extra.reply_to is not None
                        assert event.extra.reply_to.of == sent.seq
                        return event.text
        raise AssertionError("the events ended")

    with serving_here(tmp_path / "data") as url:
        command = [sys.executable, str(EXAMPLES / "echo_bot.py"), url, "echo"]
        env = {**os.environ, "ECHO_PASSWORD": "is there an echo"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as bot:
            try:
                assert bot.stdout is not None
                assert bot.stdout.readline() == f"echo listens on {url}\n"
                assert trio.run(talk, url) == "is anybody there?"
            finally:
                bot.terminate()


@pytest.mark.parametrize("case", VECTORS["packets"], ids=lambda case: case["name"])
def test_the_javascript_verifier_agrees_with_the_vectors(case: dict[str, Any], tmp_path: Path) -> None:
    reveal = case["reveal"]
    done = verify(tmp_path, reveal, reveal["commitment"], reveal["client_seed"])
    assert (done.returncode, done.stdout) == (0, "the commitment and all shares follow from the seeds\n"), done.stderr


def test_the_javascript_verifier_names_what_does_not_fit(tmp_path: Path) -> None:
    good = VECTORS["packets"][0]["reveal"]
    opened = [*good["opened"]]
    opened[0], opened[1] = {**opened[0], "cents": 116}, {**opened[1], "user_id": opened[0]["user_id"]}
    done = verify(tmp_path, {**good, "opened": opened, "luckiest": 4, "refunded_cents": 1}, "00" * 32, "11" * 32)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "the seed does not give the commitment in the message",
        "the client seed is not the message's",
        "share 0 is 116 cents instead of 115",
        "user 1000 opened twice",
        "1 cents went back instead of 0",
        "share 4 was named luckiest instead of 5",
    ]
