"""The load-test harness of chatsrv: `python -m bench SCENARIO`. Not shipped; see docs/performance.md."""

import sys
from pathlib import Path

# `support` starts a PostgreSQL and a Redis of its own for tests, and for the scenario of several nodes as well.
sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
