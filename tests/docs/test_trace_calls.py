"""The way of a message and of an opening gets no longer: what is counted in docs/architecture.md."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

MOST_FUNCTIONS = {"message": 107, "opening": 147}
"""One less than when they were first counted, before the rooms and joints of today."""


def test_a_message_and_an_opening_pass_few_functions() -> None:
    """`python tools/trace_calls.py` lists them: look for one that only passes on what it is given."""
    command = [sys.executable, str(ROOT / "tools" / "trace_calls.py"), "--count"]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    counted = {what: int(number) for what, number in re.findall(r"^(\w+): (\d+) functions", output, re.MULTILINE)}
    assert counted.keys() == MOST_FUNCTIONS.keys()
    assert all(counted[what] <= most for what, most in MOST_FUNCTIONS.items()), output
