"""Groups and people as one types them: a group by its name or id, people by their names."""

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chatsrv.cli.errors import Failure

if TYPE_CHECKING:
    from chatsrv.client import Client
    from chatsrv_protocol.groups import Group
    from chatsrv_protocol.session import Person


def fold(name: str) -> str:
    """What two names that are taken for the same have in common."""
    return unicodedata.normalize("NFKC", name).casefold()


def choose_group(groups: "Sequence[Group]", wanted: str) -> "Group":
    """The group meant: by id, by its exact name, or by its name regardless of case. Raises Failure."""
    by_id = [group for group in groups if str(group.group_id) == wanted]
    exact = [group for group in groups if group.name == wanted]
    alike = [group for group in groups if fold(group.name) == fold(wanted)]
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
    """The people with these names, each once. Raises Failure that names whom there is not."""
    wanted = list(dict.fromkeys(fold(name) for name in names))
    found = {fold(person.name): person for person in await client.find_people(tuple(names))}
    missing = [name for name in names if fold(name) not in found]
    if missing:
        raise Failure(f"there is nobody called {', '.join(missing)}", code="user_unknown")
    return [found[name] for name in wanted]
