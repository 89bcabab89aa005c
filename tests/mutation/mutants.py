"""Make the mutants of a module: its syntax tree with one operator, constant, argument, return or statement changed.

What cannot be wrong without somebody reading it is left alone: docstrings, annotations, decorators and sentences. Of
statements in SQL the comparisons, signs and keywords are changed.
"""

import ast
import re
from collections.abc import Iterator
from types import CodeType
from typing import Any

import attrs

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_SQL = re.compile(r"\s*\)?\s*(select|insert|update|delete|with|where|union|order|join|having|group)\b")
_SQL_CHANGES = (
    ("<=", "<"),
    ("<=", ">"),
    (" < ", " <= "),
    (" < ", " > "),
    (" <> ", " = "),
    (" = ", " <> "),
    (" + ", " - "),
    (" - ", " + "),
    ("-cents", "cents"),
    ("-balance", "balance"),
    (" and ", " or "),
    (" desc", ""),
    ("min(", "max("),
    ("count(*)", "0"),
    (r"order by \S+", ""),
    (r"limit \?\d?", ""),
    ("excluded.", ""),
)
_FIXED_FIELDS = {"annotation", "returns", "decorator_list", "type_params"}


@attrs.frozen
class Mutant:
    """A module with one change; `owner` is the function it is in, or "" for what runs when the module is imported."""

    name: str
    owner: str
    line: int
    what: str
    code: CodeType

    def function(self) -> CodeType:
        """The code of the owner."""
        return next(code for code in _codes(self.code) if code.co_qualname == self.owner)


def mutants_of(source: str, path: str, module: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    number = 0
    for parent, field, place, node, owner in list(_nodes(tree, "")):
        for what, new in _changes(node):
            _put(parent, field, place, new)
            ast.fix_missing_locations(ast.copy_location(new, node))
            code = compile(tree, path, "exec", dont_inherit=True)
            _put(parent, field, place, node)
            number += 1
            yield Mutant(f"{module}:{number}", owner, getattr(node, "lineno", 0), what, code)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _put(parent: ast.AST, field: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[place] = node


def _nodes(parent: ast.AST, owner: str) -> Iterator[tuple[ast.AST, str, int | None, ast.AST, str]]:
    """(parent, field, index, node, owner) of everything that may be changed, in order."""
    for field, value in ast.iter_fields(parent):
        if field in _FIXED_FIELDS or not isinstance(value, (ast.AST, list)):
            continue
        children: list[tuple[int | None, Any]] = [(None, value)] if isinstance(value, ast.AST) else [*enumerate(value)]
        for place, node in children:
            if not isinstance(node, ast.AST) or _is_fixed(node):
                continue
            inside = owner if field in {"args", "bases", "keywords"} else _owner(parent, owner)
            yield parent, field, place, node, inside
            yield from _nodes(node, inside)


def _owner(parent: ast.AST, owner: str) -> str:
    if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef):
        return owner if owner and not owner.endswith(".") else f"{owner}{parent.name}"
    if isinstance(parent, ast.ClassDef):
        return f"{owner}{parent.name}."
    return owner


def _is_fixed(node: ast.AST) -> bool:
    match node:
        case ast.Assert() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Constant()):
            return True  # a docstring
        case ast.Call(func=ast.Name(id="cast")) | ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar"))):
            return True
        case ast.JoinedStr(values=values):
            texts = [str(value.value) for value in values if isinstance(value, ast.Constant)]
            return any(" " in text for text in texts) and not _SQL.match(texts[0])
        case _:
            return False


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.stmt):
        yield from _statement_changes(node)
    elif isinstance(node, ast.Constant):
        yield from ((f"{node.value!r} -> {value!r}", ast.Constant(value)) for value in _constants(node.value))
    elif isinstance(node, ast.expr):
        yield from ((f"{ast.unparse(node)} -> {ast.unparse(new)}", new) for new in _expression_changes(node))
    elif isinstance(node, ast.comprehension):
        for place, test in enumerate(node.ifs):
            ifs = [*node.ifs]
            ifs[place] = ast.UnaryOp(ast.Not(), test)
            yield f"not {ast.unparse(test)}", ast.comprehension(node.target, node.iter, ifs, node.is_async)


def _statement_changes(node: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    text = ast.unparse(node).splitlines()[0]
    nothing = ast.Constant(None)
    match node:
        case ast.Expr() | ast.Raise() | ast.Delete():
            yield f"without {text}", ast.Pass()
        case ast.AugAssign(target=target, op=op, value=value):
            yield f"without {text}", ast.Pass()
            yield f"= in {text}", ast.Assign([target], value)
            yield f"other operator in {text}", ast.AugAssign(target, _OPERATORS[type(op)](), value)
        case ast.Assign(targets=targets, value=value) if not isinstance(value, ast.Constant):
            yield f"None in {text}", ast.Assign(targets, nothing)
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield f"None in {text}", ast.Return(nothing)
        case ast.If(test=test, body=body, orelse=orelse):
            yield f"not in {text}", ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.While(test=test, body=body, orelse=orelse):
            yield f"not in {text}", ast.While(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Continue():
            yield "continue -> break", ast.Break()
        case ast.Break():
            yield "break -> continue", ast.Continue()
        case _:
            pass


def _expression_changes(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for place, op in enumerate(ops):
                for other in _COMPARISONS[type(op)]:
                    yield ast.Compare(left, [*ops[:place], other(), *ops[place + 1 :]], comparators)
        case ast.BinOp(left=left, op=op, right=right):
            yield ast.BinOp(left, _OPERATORS[type(op)](), right)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for place in range(len(values)):
                rest = values[:place] + values[place + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Call(func=func, args=args, keywords=keywords):
            for place, arg in enumerate(args):
                if not isinstance(arg, ast.Constant) and not _is_fixed(arg):  # a constant is changed by itself
                    yield ast.Call(func, [*args[:place], ast.Constant(None), *args[place + 1 :]], keywords)
            for place, keyword in enumerate(keywords):
                if keyword.arg is not None and not isinstance(keyword.value, ast.Constant):
                    without = ast.keyword(keyword.arg, ast.Constant(None))
                    yield ast.Call(func, args, [*keywords[:place], without, *keywords[place + 1 :]])
        case _:
            pass


def _constants(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, bytes):
        yield value + b"X"
    elif isinstance(value, str) and " " not in value:
        yield f"{value}X"
    elif isinstance(value, str) and _SQL.match(value):
        for old, new in _SQL_CHANGES:
            pattern = old if old.startswith(("order", "limit")) else re.escape(old)
            for found in re.finditer(pattern, value):
                yield f"{value[: found.start()]}{new}{value[found.end() :]}"
