"""Groups and people as one types them: a group by its name or id, people by their names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chatsrv.cli.errors import Failure
from chatsrv_names import name_key

if TYPE_CHECKING:
    from chatsrv.client import Client
    from chatsrv_protocol.groups import Group
    from chatsrv_protocol.session import Person


SIGNS: Final = ("@", "\uff20", "\ufe6b")
"""What stands before a person's name: `@name` is never a group's."""


def choose_group(groups: "Sequence[Group]", wanted: str) -> "Group":
    """The group meant: by id, by its exact name, or by its name regardless of case. Raises Failure."""
    by_id = [group for group in groups if str(group.group_id) == wanted]
    exact = [group for group in groups if group.name == wanted]
    alike = [group for group in groups if name_key(group.name) == name_key(wanted)]
    found = by_id or exact or alike
    if not found:
        raise Failure(f"you are in no group '{wanted}'; `chatsrv group list` shows yours", code="group_unknown")
    if len(found) > 1:
        ids = ", ".join(str(group.group_id) for group in found)
        raise Failure(f"{len(found)} of your groups are called '{wanted}': name one by its id: {ids}", code="ambiguous")
    return found[0]


async def find_group(client: "Client", wanted: str) -> "Group":
    """One of my groups, by name or id. Raises Failure."""
    return choose_group(await client.list_groups(), wanted)


async def find_people(client: "Client", names: Sequence[str]) -> "list[Person]":
    """The people with these names, `@name` or `name`, each once. Raises Failure that names whom there is not."""
    plain = [name[1:] if name[:1] in SIGNS and len(name) > 1 else name for name in names]
    wanted = list(dict.fromkeys(name_key(name) for name in plain))
    found = {name_key(person.name): person for person in await client.find_people(tuple(plain))}
    missing = [name for name in plain if name_key(name) not in found]
    if missing:
        raise Failure(f"there is nobody called {', '.join(missing)}", code="user_unknown")
    return [found[name] for name in wanted]
