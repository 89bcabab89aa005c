"""`tests/mutation`: what is changed in a module and what is left alone, and that a mutant runs as it says."""

from types import FunctionType

from mutation.mutants import mutants_of

SOURCE = '''"""A docstring that stays."""

LIMIT: int = 5


class Box:
    def fits(self, size: int) -> bool:
        if size <= LIMIT:
            return True
        raise ValueError(f"{size} is too much", "size")


def due(conn):
    return conn.execute("select id from packet where at <= ? order by at limit ?", (1, 2))
'''


def whats(owner: str) -> set[str]:
    return {mutant.what for mutant in mutants_of(SOURCE, "box.py", "box") if mutant.owner == owner}


def test_operators_constants_returns_and_statements_are_changed_and_sentences_are_not() -> None:
    assert whats("") == {"5 -> 6", "5 -> 4"}
    assert whats("Box.fits") == {
        "not in if size <= LIMIT:",
        "size <= LIMIT -> size < LIMIT",
        "size <= LIMIT -> size > LIMIT",
        "None in return True",
        "True -> False",
        "without raise ValueError(f'{size} is too much', 'size')",
        "'size' -> 'sizeX'",
    }


def test_statements_in_sql_are_changed() -> None:
    texts = " ".join(whats("due"))
    for part in ("where at < ?", "where at > ?", "where at <= ?  limit ?", "order by at '"):
        assert part in texts, part


def test_a_mutant_runs_as_it_says() -> None:
    (mutant,) = [mutant for mutant in mutants_of(SOURCE, "box.py", "box") if "-> size < LIMIT" in mutant.what]
    fits = FunctionType(mutant.function(), {"LIMIT": 5})
    assert fits(None, 4) is True
    assert mutant.name.startswith("box:")
    try:
        fits(None, 5)
    except ValueError:
        return
    raise AssertionError("the original accepts 5, the mutant must not")
