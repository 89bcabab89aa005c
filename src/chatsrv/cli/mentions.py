"""Whom a text calls: `@name` for a member of the group, `@all` for everybody, as people type them."""

from typing import TYPE_CHECKING

from chatsrv_names import Candidate, find_mentions
from chatsrv_protocol.groups import DIRECT

if TYPE_CHECKING:
    from chatsrv.client import Client


async def resolve_mentions(client: "Client", group_id: int, text: str) -> tuple[list[int], bool]:
    """Return (the ids of members whom a text mentions, whether it mentions everybody, where allowed).

    Other names are just words.
    """
    if not any(sign in text for sign in "@\uff20\ufe6b"):
        return [], False
    members = await client.group(group_id).members()
    called, everybody = find_mentions(text, [Candidate(one.user_id, one.name, one.nickname) for one in members])
    if everybody:
        group = await client.group(group_id).show()
        everybody = group.kind != DIRECT and group.role >= group.rules.mention_all
    return called, everybody
