"""Whom a text calls: `@name` for a member of the group, `@all` for everybody, as people type them."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from chatsrv.cli.lookup import fold
from chatsrv_protocol.groups import DIRECT

if TYPE_CHECKING:
    from chatsrv.client import Client
    from chatsrv_protocol.groups import Member

EVERYBODY: Final = "all"

_SIGN = re.compile(r"(?<![\w@])@(?=\S)")
"""Not the one inside an address like ann@example.org."""


async def whom(client: "Client", group_id: int, text: str) -> tuple[list[int], bool]:
    """(the ids of members whom a text calls, whether it calls everybody, where one may). Others named are just words."""
    if not _SIGN.search(text):
        return [], False
    called, everybody = called_in(text, await client.members(group_id))
    if everybody:
        group = await client.show_group(group_id)
        everybody = group.kind != DIRECT and group.role >= group.rules.mention_all
    return called, everybody


def called_in(text: str, members: "Iterable[Member]") -> tuple[list[int], bool]:
    """The same for these members: by their names, or by their nicknames here. The longest name that fits counts."""
    known: dict[str, int] = {fold(EVERYBODY): 0}
    people = [*members]
    known.update({fold(one.nickname): one.user_id for one in people if one.nickname})
    known.update({fold(one.name): one.user_id for one in people})
    longest = max(map(len, known))
    found = dict.fromkeys(_at(text[sign.end() :], known, longest) for sign in _SIGN.finditer(text))
    return [user_id for user_id in found if user_id], 0 in found


def _at(rest: str, known: dict[str, int], longest: int) -> int | None:
    """Who is named at the beginning of a text: whole words only, so that @bo is not found in @bob."""
    for length in range(min(longest, len(rest)), 0, -1):
        ends = length == len(rest) or not (rest[length].isalnum() or rest[length] == "_")
        if ends and (user_id := known.get(fold(rest[:length]))) is not None:
            return user_id
    return None
