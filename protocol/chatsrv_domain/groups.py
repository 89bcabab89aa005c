"""Groups: kinds, roles, why somebody is out, and the rules of a group.

`Rules` is the only list of the rules. The columns of the database, the structures of the wire, the options of the command
line and the documentation follow from it: a new rule is a line here and a migration.
"""

from enum import Enum
from typing import Final, TypeVar

import attrs

T = TypeVar("T", int, bool)

GROUP: Final = 1
DIRECT: Final = 2
"""The kinds of a group: any number of people with an owner, or a conversation of two."""

ROLE_GONE: Final = 0
ROLE_MEMBER: Final = 1
ROLE_ADMIN: Final = 2
ROLE_OWNER: Final = 3

REMOVED: Final = 1
LEFT: Final = 2
BANNED: Final = 3
DISSOLVED: Final = 4
"""Why one is no longer in a group."""

ADDED_BY_EVERYBODY: Final = 1
ADDED_BY_KNOWN: Final = 2
ADDED_BY_NOBODY: Final = 3
"""Who may put a user into groups."""

FOREVER: Final = 2**53 - 1
"""A time that never comes."""

MAX_GROUP_MEMBERS: Final = 500
"""The members of a group, unless a server is configured otherwise."""


class RuleKind(Enum):
    """What the value of a rule is. Whoever stores, sends or shows rules does so by their kinds."""

    ROLE = "the least role that may"
    FLAG = "yes or no"
    SECONDS = "seconds"
    COUNT = "how many"


@attrs.frozen(slots=True)
class Rule:
    """A rule: its name, what its value is, what it means (a sentence), its default, and its column in the database."""

    name: str
    kind: RuleKind
    meaning: str
    default: int | bool
    column: str


def _rule(default: T, kind: RuleKind, meaning: str, *, column: str = "") -> T:
    """Return a field of Rules; `column` is for those whose column is not called as they are."""
    return attrs.field(default=default, metadata={"kind": kind, "meaning": meaning, "column": column})


@attrs.frozen(slots=True, cache_hash=True)
class Rules:
    """What goes in a group."""

    invite: int = _rule(ROLE_MEMBER, RuleKind.ROLE, "Who adds people and makes invites.", column="who_invites")
    approval: bool = _rule(False, RuleKind.FLAG, "Admins let in who comes by an invite, and only they add people.")
    history: bool = _rule(True, RuleKind.FLAG, "Newcomers read what was said before.")
    mute_all: bool = _rule(False, RuleKind.FLAG, "Only admins speak.")
    slow_mode: int = _rule(0, RuleKind.SECONDS, "Between two messages of a member who is no admin; 0: no limit.")
    max_members: int = _rule(MAX_GROUP_MEMBERS, RuleKind.COUNT, "How many may be in it.")
    pin: int = _rule(ROLE_ADMIN, RuleKind.ROLE, "Who pins messages.", column="who_pins")
    mention_all: int = _rule(ROLE_ADMIN, RuleKind.ROLE, "Who mentions everybody.", column="who_mentions_all")
    keep_edits: bool = _rule(True, RuleKind.FLAG, "Admins can read what was edited away.")


def _described(field: "attrs.Attribute[int | bool]") -> Rule:
    kind, meaning, column = (field.metadata[key] for key in ("kind", "meaning", "column"))
    assert field.default is not None
    return Rule(field.name, kind, meaning, field.default, column or field.name)


RULES: Final = tuple(_described(field) for field in attrs.fields(Rules))
"""The rules, in their order on the wire: a new one comes last."""
