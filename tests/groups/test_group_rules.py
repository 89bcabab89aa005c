"""The rules of a group are listed once: a new one is a line in chatsrv_domain and a migration, and is everywhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from support import rules_kit
from support.rules_kit import ROOT

from chatsrv_domain.groups import RULES


def test_each_place_knows_every_rule() -> None:
    for place, found, expected in (*rules_kit.storage_and_wire(), *rules_kit.options(), *rules_kit.generated()):
        assert found == expected, place


def test_a_new_rule_is_one_line_and_a_column(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "protocol/chatsrv_domain", tmp_path / "chatsrv_domain")
    home = tmp_path / "chatsrv_domain/groups.py"
    text = home.read_text("utf-8")
    last = next(line for line in text.splitlines() if line.startswith(f"    {RULES[-1].name}: "))
    home.write_text(text.replace(last, f'{last}\n    loud: bool = _rule(False, RuleKind.FLAG, "It is loud.")'), "utf-8")

    path = os.pathsep.join((str(tmp_path), str(ROOT / "tests")))
    done = subprocess.run(
        [sys.executable, "-m", "support.rules_kit", "loud integer not null default 0"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names, wrong = json.loads(done.stdout)
    assert names == [*(rule.name for rule in RULES), "loud"]
    assert wrong == []
