"""Prints the failures in a junit file, each with the end of its report: python .ci/failures.py junit.xml"""

import sys
import xml.etree.ElementTree as ET
from typing import Final

MAX_SHOWN: Final = 20
LAST_LINES: Final = 30


def failures(path: str) -> list[tuple[str, str]]:
    """Return (test, report) of each test that failed or broke, in the order of the file."""
    found: list[tuple[str, str]] = []
    for case in ET.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        outcomes = (*case.findall("failure"), *case.findall("error"))
        found.extend((name, outcome.text or outcome.get("message") or "") for outcome in outcomes)
    return found


def main(path: str) -> None:
    """Print the last failures and how many there are."""
    found = failures(path)
    for test, report in found[-MAX_SHOWN:]:
        lines = report.splitlines()[-LAST_LINES:]
        sys.stdout.write(f"\nFAILED {test}\n" + "".join(f"    {line}\n" for line in lines))
    sys.stdout.write(f"\n{len(found)} tests failed\n")


if __name__ == "__main__":
    main(sys.argv[1])
