"""`chatsrv demo` as a process: it ends well and in time, and can be joined."""

import signal
from pathlib import Path

from support.cli_kit import Shell, stop

from chatsrv.cli.demo.scenes import SCENES


def test_the_demo(tmp_path: Path) -> None:
    done = Shell(tmp_path).run("demo")
    assert done.err == ""
    assert all(f"{number}. {scene.title}" in done.out for number, scene in enumerate(SCENES, 1))
    assert "周六见" in done.out
    assert "saw the same events in the same order" in done.out.splitlines()[-1]


def test_the_demo_stays_to_be_joined(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    demo = shell.start("demo", "--stay", "--json")
    assert demo.stdout is not None
    seen: list[dict[str, object]] = []
    import json

    for line in demo.stdout:
        seen.append(json.loads(line))
        if "password" in seen[-1]:
            break
    assert any(record.get("ok") is True for record in seen)
    joining = seen[-1]
    assert str(joining["page"]).startswith("http://127.0.0.1:")
    here = Shell(tmp_path, str(joining["server"]))
    here.call("login", "bob", "--password-stdin", stdin=str(joining["password"]))
    assert here.call("history", "weekend", "--limit", "1", "--json").record["text"] == "没有。"
    assert stop(demo, signal.SIGINT) == 0
