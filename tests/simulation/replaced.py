"""Another attribute in some module or class for a while: how the simulation and its planted bugs reach into the code."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Generator[None]:
    """`owner.name` is `value` as long as the block runs."""
    original = owner.__dict__[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)
