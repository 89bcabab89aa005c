"""`chatsrv group rules`: its options are the rules of a group, as chatsrv_domain lists them."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal

from chatsrv.cli.arguments import GroupName
from chatsrv.cli.declare import Option
from chatsrv.cli.online import CommandContext, online
from chatsrv_domain.groups import ROLE_ADMIN, ROLE_MEMBER, RULES, Rule, RuleKind

if TYPE_CHECKING:
    from chatsrv_protocol.groups import Group

Who = Literal["everybody", "admins"]

_ROLES: Final = {"everybody": ROLE_MEMBER, "admins": ROLE_ADMIN}
_ROLE_NAMES: Final[Mapping[object, str]] = {number: name for name, number in _ROLES.items()}

_OFF: Final = {"keep_edits": "--drop-edits"}
"""Options that end a rule and are not called `--no-` and its name."""


def _option(rule: Rule) -> inspect.Parameter:
    """Return the option that changes a rule."""
    name = rule.name.replace("_", "-")
    annotations: dict[RuleKind, object] = {
        RuleKind.ROLE: Annotated[Who | None, Option(help=rule.meaning)],
        RuleKind.FLAG: Annotated[
            bool | None, Option(f"--{name}/{_OFF.get(rule.name, f'--no-{name}')}", help=rule.meaning)
        ],
        RuleKind.SECONDS: Annotated[int | None, Option(metavar="SECONDS", help=rule.meaning)],
        RuleKind.COUNT: Annotated[int | None, Option(metavar="N", help=rule.meaning)],
    }
    return inspect.Parameter(rule.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotations[rule.kind])


def _record(group: "Group") -> dict[str, object]:
    """Return the rules of a group, for a person and for --json."""
    import attrs

    shown: dict[str, object] = attrs.asdict(group.rules)
    roles = {rule.name for rule in RULES if rule.kind is RuleKind.ROLE}
    return {name: _ROLE_NAMES.get(value, "") if name in roles else value for name, value in shown.items()}


async def rules(here: CommandContext, which: GroupName, **given: str | int | None) -> None:
    """Show the rules of a group, or change those that are named."""
    from chatsrv.cli.lookup import find_group

    changes = {
        name: _ROLES[value] if isinstance(value, str) else value for name, value in given.items() if value is not None
    }
    async with here.session() as client:
        group = await find_group(here, client, which)
        if changes:
            await client.group(group.group_id).set_rules(**changes)
            group = await client.group(group.group_id).show()
    record = _record(group)
    if here.out.json:
        here.out.record({"group_id": str(group.group_id), **record})
        return
    words = {True: "yes", False: "no"}
    rows = [
        (name.replace("_", " "), words[value] if isinstance(value, bool) else str(value))
        for name, value in record.items()
    ]
    here.out.table((f"rules of '{group.name}'", ""), rows)


def make_rules() -> Callable[..., None]:
    """Return the command, with an option for each rule."""
    return online(rules, options=[_option(rule) for rule in RULES])
