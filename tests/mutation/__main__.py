"""Run the tests against every mutant of some modules: `python -m mutation RESULTS MODULE… -- TEST…`, from `tests/`.
`MODULE:NUMBER` is one mutant alone, by the name that RESULTS shows.

The tests are collected once. Each mutant lives in a fork, in which the changed function gets its new code; for what runs
at import the fork collects anew. A mutant meets the tests that call its function, the quickest first, and is killed by
the first that fails. A test that takes 20 times as long as without a mutant, and two seconds more, has not ended: the
mutant counts as stopped. RESULTS gets a line of JSON for each mutant; those that stand in it already are not run again.
With `--again` those that survived are run again, and with `--full` Hypothesis gives as many examples as in the suite. With
RESULTS alone it is shown.
"""

import gc
import importlib.machinery
import importlib.util
import json
import os
import pickle
import resource
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NoReturn

import hypothesis
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck

from mutation.mutants import Mutant, mutants_of

_MEMORY = 4 << 30
_SLACK_S = 2.0
_TIMES = 20
# Hypothesis is imported before pytest could rewrite its assertions; the tests' own are rewritten as ever.
_OPTIONS = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
_FEW = hypothesis.settings(
    max_examples=15,
    stateful_step_count=20,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


importlib.import_module("trio")  # what the tests import anyway is imported once, before the forks


class Results:
    """What became of each mutant, in a file that a later run goes on with."""

    def __init__(self, path: Path, *, again: bool) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._latest: dict[str, Any] = {found["name"]: found for found in map(json.loads, lines)}
        self._again = again

    def due(self, mutant: Mutant) -> bool:
        verdict = self._latest.get(mutant.name, {}).get("verdict")
        return verdict in {"survived", "not called"} if self._again else verdict is None

    def lines(self) -> list[str]:
        """Counts by module, then what was not killed."""
        by_module: dict[str, Counter[str]] = {}
        for found in self._latest.values():
            by_module.setdefault(found["name"].partition(":")[0], Counter())[found["verdict"]] += 1
        left = [found for found in self._latest.values() if found["verdict"] != "killed"]
        return [f"{module}: {counts.total()} mutants, {dict(counts)}" for module, counts in by_module.items()] + [
            f"{found['name']} line {found['line']} {found['owner']}: {found['verdict']}: {found['what']}"
            for found in left
        ]

    def note(self, mutant: Mutant, verdict: str, by: str = "") -> None:
        line = {"name": mutant.name, "owner": mutant.owner, "line": mutant.line, "what": mutant.what}
        with self._path.open("a") as file:
            file.write(json.dumps(line | {"verdict": verdict, "by": by}) + "\n")


class Runner:
    """Takes the place of pytest's loop: runs the collected tests once for each mutant of a function."""

    def __init__(self, mutants: dict[Path, list[Mutant]], results: Results, *, full: bool) -> None:
        self._mutants, self._results, self._full = mutants, results, full
        self._kills: dict[str, int] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not self._full:
            _ask_few(session.items)
        baseline = _in_fork(lambda: _calls(session.items, {str(path) for path in self._mutants}))
        assert not isinstance(baseline, str), f"a test fails without a mutant: {baseline}"
        functions = {
            (function.__code__.co_filename, function.__code__.co_qualname): function
            for function in gc.get_objects()
            if isinstance(function, FunctionType)
        }
        gc.freeze()
        for path, mutants in self._mutants.items():
            for mutant in mutants:
                if not self._results.due(mutant):
                    continue
                calls = [(item, *baseline[item.nodeid]) for item in session.items]
                chosen = [(item, took) for item, took, called in calls if (str(path), mutant.owner) in called]
                if not chosen:
                    self._results.note(mutant, "not called")
                    continue
                chosen.sort(key=lambda pair: (-self._kills.get(f"{mutant.owner} {pair[0].nodeid}", 0), pair[1]))
                self._judge(mutant, functions[str(path), mutant.owner], chosen)
        return True

    def _judge(self, mutant: Mutant, function: FunctionType, chosen: list[tuple[pytest.Item, float]]) -> None:
        def attempt() -> str:
            function.__code__ = mutant.function()
            return _first_failure(chosen)

        killer = _in_fork(attempt)
        if killer is None:
            self._results.note(mutant, "stopped")
            return
        self._results.note(mutant, "killed" if killer else "survived", killer)
        if killer:
            key = f"{mutant.owner} {killer}"
            self._kills[key] = self._kills.get(key, 0) + 1


def _ask_few(items: list[pytest.Item]) -> None:
    for item in items:
        test: Any = getattr(item, "obj", None)
        owner: Any = getattr(item, "cls", None)
        for held, name in ((getattr(test, "__func__", test), "_hypothesis_internal_use_settings"), (owner, "settings")):
            if hasattr(held, name):
                setattr(held, name, _FEW)


def _calls(items: list[pytest.Item], paths: set[str]) -> Any:
    """By test: its seconds, and the functions of `paths` that it calls; or the name of a test that fails."""
    found: dict[str, tuple[float, set[tuple[str, str]]]] = {}
    codes: set[CodeType] = set()

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename in paths:
            codes.add(frame.f_code)

    for item in items:
        codes.clear()
        threading.setprofile(look)
        sys.setprofile(look)
        begun = time.perf_counter()
        failed = _fails(item)
        took = time.perf_counter() - begun
        sys.setprofile(None)
        if failed:
            return item.nodeid
        found[item.nodeid] = took, {(code.co_filename, code.co_qualname.split(".<locals>")[0]) for code in codes}
    return found


def _first_failure(chosen: list[tuple[pytest.Item, float]]) -> str:
    for item, took in chosen:
        signal.setitimer(signal.ITIMER_REAL, _SLACK_S + _TIMES * took)
        if _fails(item):
            return item.nodeid
    return ""


def _fails(item: pytest.Item) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def _in_fork(job: Callable[[], Any]) -> Any:
    """What a job answers in a fork of this process; None where the fork ended without an answer."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(job, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(answer) if answer else None


def _answer(job: Callable[[], Any], writing: int) -> NoReturn:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    try:
        answer = job()
    except BaseException as error:
        answer = f"{type(error).__name__} outside a test"
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(pickle.dumps(answer))
    os._exit(0)


def _judge_import(mutant: Mutant, path: Path, tests: list[str], limit: float, *, full: bool) -> str | None:
    """Which test fails when the module itself is another from its import on; the tests are collected in the fork."""

    class Verdict:
        failed = ""

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed:
                self.failed = report.nodeid

    def attempt() -> str:
        loader = importlib.machinery.SourceFileLoader
        real = loader.get_code

        def get_code(self: Any, fullname: str) -> CodeType | None:
            return mutant.code if self.path == str(path) else real(self, fullname)

        loader.get_code = get_code
        signal.setitimer(signal.ITIMER_REAL, limit)
        verdict = Verdict()
        code = pytest.main([*tests, "-x", *_OPTIONS], plugins=[verdict] if full else [verdict, Few()])
        return verdict.failed or ("the import" if code else "")

    return _in_fork(attempt)


class Few:
    """Few examples for Hypothesis, for a fork that collects for itself."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        _ask_few(items)


def main(arguments: list[str]) -> None:
    full, again = "--full" in arguments, "--again" in arguments
    arguments = [argument for argument in arguments if argument not in {"--full", "--again"}]
    results = Results(Path(arguments[0]).absolute(), again=again)
    if arguments[1:] == []:
        print("\n".join(results.lines()))
        return
    cut = arguments.index("--")
    tests = arguments[cut + 1 :]
    at_call: dict[Path, list[Mutant]] = {}
    at_import: list[tuple[Path, Mutant]] = []
    for argument in arguments[1:cut]:
        name, _, number = argument.partition(":")
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        path = Path(spec.origin)
        for mutant in mutants_of(path.read_text(), str(path), name):
            if number and mutant.name != argument:
                continue
            if mutant.owner == "" or mutant.owner.endswith("."):
                at_import.append((path, mutant))
            else:
                at_call.setdefault(path, []).append(mutant)
    for module in [name for name in sys.modules if name.startswith("chatsrv_")]:
        del sys.modules[module]
    # In a fork too, so that those of the import find nothing imported.
    runner = Runner(at_call, results, full=full)
    _in_fork(lambda: pytest.main([*tests, *_OPTIONS], plugins=[runner]))
    if not any(results.due(mutant) for _, mutant in at_import):
        return
    begun = time.perf_counter()
    unchanged = Mutant("unchanged", "", 0, "", compile("", "", "exec"))
    failed = _judge_import(unchanged, Path("nowhere"), tests, 600, full=full)
    assert failed == "", f"a test fails without a mutant: {failed}"
    limit = _SLACK_S + _TIMES * (time.perf_counter() - begun)
    for path, mutant in at_import:
        if results.due(mutant):
            killer = _judge_import(mutant, path, tests, limit, full=full)
            results.note(mutant, "stopped" if killer is None else "killed" if killer else "survived", killer or "")


if __name__ == "__main__":
    main(sys.argv[1:])
