"""Rules of the code that tools do not check: names, docstrings, and the size of files. See CONTRIBUTING.md."""

import ast
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PRODUCT = ("src", "protocol", "storage", "redpack")
EVERYTHING = (*PRODUCT, "bench", "tests")
MAX_LINES = 400

MAX_ANY = 96
"""How often the product's code may name `Any`, which switches the type checker off: lower it whenever it falls."""

MAX_SET_FROM_OUTSIDE = 0
"""Attributes that the server sets on somebody else's object."""

SET_IN_LIBRARIES = frozenset(
    {
        *(
            "context.minimum_version",
            "context.options",
            "app.router.redirect_slashes",
            "within.deadline",
            "self._reading.deadline",
        ),
        *(
            f"self._config.{each}"
            for each in ("max_app_queue_size", "h11_max_incomplete_size", "accesslog", "errorlog")
        ),
        "self._config.include_server_header",
    }
)
"""What ssl, Starlette, Trio and Hypercorn want to be set."""

MAX_GETATTR = 0
"""Attributes that the server asks for by a string, where a type could say that they are there."""

SERVER = tuple(
    f"src/chatsrv/{each}"
    for each in ("app", "auth", "bus", "commands", "face_to_face", "groups", "http", "net", "presence", "transport")
)

VAGUE = frozenset(
    {
        *("AT_ONCE", "BITE", "EVERY", "FEW", "GAP", "KEPT", "MANY", "MOST", "MUCH", "NOBODY", "NOTHING", "ONCE", "OWN"),
        *("PART", "PIECE", "REST", "SOME", "SOON", "SPACE", "WHOLE"),
    }
)
"""Names that do not say what they bound or hold, nor in which unit."""

BY_NAME = frozenset(
    {"get_by_alt_text", "get_by_label", "get_by_placeholder", "get_by_role", "get_by_text", "get_by_title"}
)
"""Methods of playwright that find what is on a page; a string is a part of the name for them, in small or large letters."""

OF_PEOPLE = frozenset({"person", "appoint", "grant", "program", "meanwhile"})
"""Methods of a page test's town whose first argument is somebody's name."""

PATTERNS = frozenset({"re.compile", "begins"})
"""What says that a part of a name is meant."""

NOT_IMPERATIVE = frozenset(
    {
        *(
            "A",
            "All",
            "An",
            "As",
            "At",
            "Each",
            "Every",
            "Everybody",
            "Everything",
            "From",
            "How",
            "In",
            "It",
            "Its",
            "My",
        ),
        *("Nobody", "None", "Nothing", "One", "Of", "Ours", "Somebody", "Such", "That", "The", "These", "They", "This"),
        *(
            "Those",
            "To",
            "Until",
            "Up",
            "Upwards",
            "What",
            "Whatever",
            "When",
            "Where",
            "Which",
            "Who",
            "Whoever",
            "Whom",
        ),
        *("Whose", "Why", "With"),
    }
)
"""First words of a docstring that names a result or tells a story."""


def _files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted((ROOT / folder).rglob("*.py")) if "node_modules" not in path.parts)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _module_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_no_two_public_classes_of_the_product_share_a_name() -> None:
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for path in _files(*PRODUCT):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_no_constant_of_the_product_has_a_vague_name() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in _files(*PRODUCT)
        for name in _module_names(_tree(path))
        if name in VAGUE
    ]
    assert found == []


def test_every_docstring_of_the_product_begins_with_a_sentence() -> None:
    wrong: list[str] = []
    for path in _files(*PRODUCT):
        for node in ast.walk(_tree(path)):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            text = ast.get_docstring(node)
            if text is None:
                continue
            first = text.split("\n\n", 1)[0].strip()
            if not first or not first.rstrip("`'\")").endswith((".", ":", "?", "…", "!")):
                wrong.append(f"{path.relative_to(ROOT)}: {first[:60]}")
    assert wrong == []


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(each) for each in node.decorator_list)


def test_the_docstring_of_a_function_says_what_it_does() -> None:
    """A sentence in the imperative ("Return the …"), not a name for its result: that says nothing of effects and errors."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {text.splitlines()[0]}"
        for path in _files(*PRODUCT)
        if "demo" not in path.parts  # its scenes have titles
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_property(node)
        if (text := ast.get_docstring(node)) and text.split()[0].strip("(`'\".,:;") in NOT_IMPERATIVE
    ]
    assert found == [], "\n".join(found)


def test_no_file_of_the_product_is_longer_than_is_read_at_once() -> None:
    long = {
        str(path.relative_to(ROOT)): n
        for path in _files(*PRODUCT, "bench")
        if (n := len(path.read_text("utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def _count_of_any(path: Path) -> int:
    with path.open("rb") as file:
        return sum(token.type == tokenize.NAME and token.string == "Any" for token in tokenize.tokenize(file.readline))


def test_any_is_named_ever_less_often() -> None:
    assert sum(map(_count_of_any, _files(*PRODUCT))) <= MAX_ANY


def test_nothing_between_storage_and_wire_is_a_list_of_anything() -> None:
    between = _files("storage", "src/chatsrv/commands", "src/chatsrv/groups", "src/chatsrv/net")
    engine = ROOT / "storage/chatsrv_storage/engine"
    found = [
        str(path.relative_to(ROOT))
        for path in between
        if engine not in path.parents and any(each in path.read_text("utf-8") for each in ("list[Any]", "type[Any]"))
    ]
    assert found == []


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from target.elts if isinstance(target, ast.Tuple) else [target]
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        yield node.target


def test_attributes_are_set_by_their_own_object() -> None:
    """What is put together after it was made can be used before it is whole."""
    found = [
        f"{path.relative_to(ROOT)}:{target.lineno}: {ast.unparse(target)}"
        for path in _files(*SERVER)
        for node in ast.walk(_tree(path))
        for target in _targets(node)
        if isinstance(target, ast.Attribute)
        and not (isinstance(target.value, ast.Name) and target.value.id == "self")
        and ast.unparse(target) not in SET_IN_LIBRARIES
    ]
    assert len(found) <= MAX_SET_FROM_OUTSIDE, "\n".join(found)


def test_what_is_called_is_named_by_a_type() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in _files(*SERVER)
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Name) and node.id in ("getattr", "setattr", "hasattr")
    ]
    assert len(found) <= MAX_GETATTR, "\n".join(found)


def _is_found_by_any_part(call: ast.Call) -> bool:
    """Whether a call of playwright gives a string that names may only contain."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in BY_NAME):
        return False
    given = {each.arg: each.value for each in call.keywords}
    name = given.get("name") if call.func.attr == "get_by_role" else call.args[0] if call.args else given.get("text")
    if name is None or (isinstance(name, ast.Call) and ast.unparse(name.func) in PATTERNS):
        return False
    exact = given.get("exact")
    return not (isinstance(exact, ast.Constant) and exact.value is True)


def test_what_is_on_a_page_is_found_by_its_whole_name() -> None:
    """Who waits for "Notify me" must not find "Do not notify me": a name is exact, or a pattern says which part is meant."""
    calls = [
        (path, node)
        for path in _files("bench", "docs", "tests", "tools")
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call)
    ]
    found = [f"{path.relative_to(ROOT)}:{node.lineno}" for path, node in calls if _is_found_by_any_part(node)]
    assert found == [], "\n".join(found)


def _people_of(test: ast.FunctionDef) -> set[str]:
    """The names of the people of a test of the page, as they stand there."""
    found: set[str] = set()
    for call in ast.walk(test):
        if not isinstance(call, ast.Call):
            continue
        if isinstance(call.func, ast.Attribute):
            given = call.args if call.func.attr in OF_PEOPLE else []
        else:
            given = call.args[1:] if call.args and ast.unparse(call.args[0]) == "town" else []
        name = given[0] if given else None
        if isinstance(name, ast.JoinedStr) or (isinstance(name, ast.Constant) and isinstance(name.value, str)):
            found.add(ast.unparse(name))
    return found


def test_nobody_is_in_two_tests_of_the_page_that_share_a_server() -> None:
    """Which of them fails is up to the run: the second that registers the name in one process, or both in turn."""
    tests: defaultdict[str, list[str]] = defaultdict(list)
    for path in _files("tests/page"):
        functions = [node for node in _tree(path).body if isinstance(node, ast.FunctionDef)]
        if path.name != "conftest.py" and any(each.name == "server" for each in functions):
            continue
        for test in functions:
            if test.name.startswith("test_") and "open_town" not in ast.unparse(test):
                for name in _people_of(test):
                    tests[name].append(f"{path.name}::{test.name}")
    assert len(tests) > 150
    assert {name: where for name, where in tests.items() if len(where) > 1} == {}
