"""Groups and people as one types them: a group by its name or id, people by their names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chatsrv.cli.errors import Failure
from chatsrv.cli.known_groups import KnownGroups
from chatsrv_names import name_key
from chatsrv_names.rules import ID_DIGITS

if TYPE_CHECKING:
    from chatsrv.cli.online import CommandContext
    from chatsrv.client import Client
    from chatsrv_protocol.groups import Group
    from chatsrv_protocol.session import Person


SIGNS: Final = ("@", "\uff20", "\ufe6b")
"""What stands before a person's name: `@name` is never a group's."""


def choose_group(here: "CommandContext", groups: "Sequence[Group]", wanted: str) -> "Group":
    """Return the group meant: by id, by `@name` the conversation with that person, or by a name that can mean only one."""
    for group in groups:
        if str(group.group_id) == wanted:
            return group
    if wanted.isdecimal() and len(wanted) >= ID_DIGITS:
        raise _no_group(wanted)  # an older group may be called like an id
    if wanted[:1] in SIGNS and len(wanted) > 1:
        return _conversation(groups, wanted[1:])
    alike = [group for group in groups if name_key(group.name) == name_key(wanted)]
    known = KnownGroups(here)
    before = known.find(wanted)
    if before is not None:
        return _known_before(here, groups, wanted, before, alike)
    if not alike:
        raise _no_group(wanted)
    if len(alike) > 1:
        raise Failure(
            f"{len(alike)} of your groups are called '{wanted}': name one by its id: {_ids(alike)}", code="ambiguous"
        )
    known.learn(wanted, alike[0].group_id)
    return alike[0]


def _known_before(
    here: "CommandContext", groups: "Sequence[Group]", wanted: str, before: int, alike: "Sequence[Group]"
) -> "Group":
    """Return the group that a name meant before, if the user is still in it."""
    others = [group for group in alike if group.group_id != before]
    for group in groups:
        if group.group_id == before:
            if others:
                here.out.note(f"'{wanted}' means {before}, as before; called the same: {_ids(others)}")
            return group
    if not alike:
        raise _no_group(wanted)
    raise Failure(
        f"'{wanted}' meant the group {before}, which you are no longer in: name another by its id: {_ids(alike)}; or "
        f"let the name mean another with `chatsrv group forget`",
        code="ambiguous",
    )


def _conversation(groups: "Sequence[Group]", name: str) -> "Group":
    """Return the conversation of two with this person: a group that is called like them, or like `@them`, is never meant."""
    from chatsrv_protocol.groups import DIRECT

    found = [group for group in groups if group.kind == DIRECT and name_key(group.name) == name_key(name)]
    if len(found) != 1:
        raise Failure(
            f"you have no conversation with '{name}'; `chatsrv dm` with their name opens one", code="group_unknown"
        )
    return found[0]


def _no_group(wanted: str) -> Failure:
    return Failure(f"you are in no group '{wanted}'; `chatsrv group list` shows yours", code="group_unknown")


def _ids(groups: "Sequence[Group]") -> str:
    """Return up to ten ids, for a sentence: strangers decide how many there are."""
    return ", ".join(str(group.group_id) for group in groups[:10]) + (", …" if len(groups) > 10 else "")


async def find_group(here: "CommandContext", client: "Client", wanted: str) -> "Group":
    """Return one of the user's groups, by name or id. Raises Failure."""
    return choose_group(here, await client.groups.list(), wanted)


async def remember_made(here: "CommandContext", client: "Client", name: str, group_id: int) -> None:
    """Remember the name of a group that the user created, unless it means another that the user is still in. Raises Failure."""
    known = KnownGroups(here)
    before = known.find(name)
    if before is not None and any(group.group_id == before for group in await client.groups.list()):
        here.out.note(f"'{name}' means {before}, as before: name the new group by its id: {group_id}")
        return
    known.learn(name, group_id)


async def find_people(client: "Client", names: Sequence[str]) -> "list[Person]":
    """Return the people with these names, `@name` or `name`, each once. Raises Failure that names those who do not exist."""
    plain = [name[1:] if name[:1] in SIGNS and len(name) > 1 else name for name in names]
    wanted = list(dict.fromkeys(name_key(name) for name in plain))
    found = {name_key(person.name): person for person in await client.people.find(tuple(plain))}
    missing = [name for name in plain if name_key(name) not in found]
    if missing:
        raise Failure(f"there is nobody called {', '.join(missing)}", code="user_unknown")
    return [found[name] for name in wanted]
