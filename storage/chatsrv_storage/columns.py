"""Rows by name: an attrs class whose fields stand for columns is the one list of them, in SQL and in Python.

    @attrs.frozen
    class Member:
        user_id: int
        name: str = attrs.field(metadata=sql("u.name"))
        disabled: bool = attrs.field(converter=bool, metadata=sql("u.disabled"))

    rows = conn.execute(f"select {select_list(Member, 'm')} from group_member m join person u on …")
    members = [Member(*row) for row in rows]

SQL has no booleans that both databases share, so a field that is one converts what comes.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from chatsrv_storage.engine.jobs import Row

_SQL: Final = "sql"

NO_COLUMN: Final[Mapping[str, str]] = {_SQL: ""}
"""Metadata of a field that is no column of its own. Such fields come last."""


def sql(expression: str) -> Mapping[str, str]:
    """Metadata of a field that is not the column of its own name: what to select for it."""
    return {_SQL: expression}


def columns(cls: type[attrs.AttrsInstance], table: str) -> list[str]:
    """Return what to select for the fields of an attrs class, in order: `table.name`, or what their metadata says."""
    fields = attrs.fields(cls)
    found = [field.metadata.get(_SQL, f"{table}.{field.name}") for field in fields]
    count = len([each for each in found if each])
    assert all(found[:count]), f"{cls.__name__}: a field without a column stands before one that has one"
    return found[:count]


def values(cls: type[attrs.AttrsInstance]) -> str:
    """Return what stands after `insert into table` for a class whose fields are called as their columns."""
    names = [field.name for field in attrs.fields(cls)]
    return f"({', '.join(names)}) values ({', '.join('?' * len(names))})"


def by_name(cls: type[attrs.AttrsInstance], row: Row) -> dict[str, Any]:
    """Return a row of `columns` by the names of the fields, for a class that is not made of the columns as they are."""
    return dict(zip((field.name for field in attrs.fields(cls)), row, strict=True))


def select_list(cls: type[attrs.AttrsInstance], table: str) -> str:
    """`columns` as SQL."""
    return ", ".join(columns(cls, table))
