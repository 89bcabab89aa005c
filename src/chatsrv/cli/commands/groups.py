"""`chatsrv group …`: making groups, and who is in them."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from chatsrv.cli.arguments import GroupName, UserNames
from chatsrv.cli.declare import Argument, CommandGroup, Option
from chatsrv.cli.online import CommandContext, online

if TYPE_CHECKING:
    from chatsrv_protocol.groups import Group

group = CommandGroup(help="Groups: make them, see them, change who is in them.")


def group_record(one: "Group") -> dict[str, object]:
    """Return a group for --json."""
    from chatsrv_protocol.groups import ROLE_NAMES

    return {
        "id": str(one.group_id),
        "group_id": str(one.group_id),
        "name": one.name,
        "role": ROLE_NAMES.get(one.role, "none"),
        "members": one.members,
        "seq": one.seq,
        "unread": max(one.ordinal - one.read_ordinal - one.own_above, 0),
        "read_seq": one.read_seq,
        "visible_from": one.visible_from,
        "history": one.history,
        "avatar": str(one.avatar) if one.avatar else None,
    }


@group.command("create")
@online
async def create(
    here: CommandContext,
    name: Annotated[str, Argument(metavar="NAME", help="What the group is called.")],
    users: Annotated[list[str] | None, Argument(metavar="USER", help="Who is in it from the start.")] = None,
    history: Annotated[
        bool, Option("--history/--no-history", help="Those who join later read what was said before.")
    ] = True,
) -> None:
    """Make a group, with you as its owner."""
    from chatsrv.cli.lookup import find_people, remember_made

    async with here.session() as client:
        members = [person.user_id for person in await find_people(client, users)] if users else []
        made = await client.groups.create(name, members, history=history)
        await remember_made(here, client, name, made.group_id)
    here.out.say(
        f"made the group '{name}' with id {made.group_id}",
        id=str(made.group_id),
        group_id=str(made.group_id),
        name=name,
        seq=made.seq,
    )


@group.command("list")
@online
async def list_groups(here: CommandContext) -> None:
    """Show the groups you are in, with what is unread."""
    from chatsrv_protocol.groups import ROLE_NAMES

    async with here.session() as client:
        groups = await client.groups.list()
    if here.out.json:
        for one in groups:
            here.out.record(group_record(one))
        return
    if not groups:
        here.out.line("you are in no group yet: `chatsrv group create NAME` makes one")
        return
    here.out.table(
        ("group", "unread", "members", "role", "id"),
        [(one.name, unread(one), str(one.members), ROLE_NAMES.get(one.role, ""), str(one.group_id)) for one in groups],
    )


def unread(one: "Group") -> str:
    """Return how much is unread, for a person: "" for none, and 99+ over 99."""
    count = max(one.ordinal - one.read_ordinal - one.own_above, 0)
    return "99+" if count > 99 else str(count or "")


@group.command("show")
@online
async def show(here: CommandContext, which: GroupName) -> None:
    """Show one group."""
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        one = await find_group(here, client, which)
    if here.out.json:
        here.out.record(group_record(one))
        return
    record = {key: value for key, value in group_record(one).items() if key != "group_id" and value is not None}
    rows = [(key.replace("_", " "), str(value)) for key, value in record.items()]
    here.out.table(("", ""), rows)


@group.command("members")
@online
async def members(here: CommandContext, which: GroupName) -> None:
    """Show who is in a group, with their roles."""
    from chatsrv.cli.events import clock
    from chatsrv.cli.lookup import find_group
    from chatsrv_protocol.groups import ROLE_NAMES

    async with here.session() as client:
        one = await find_group(here, client, which)
        found = await client.group(one.group_id).members()
    if not here.out.json:
        rows = [
            (
                who.name,
                who.nickname,
                ROLE_NAMES.get(who.role, ""),
                clock(who.joined_at),
                "disabled" if who.disabled else _muted(who.muted_until),
                str(who.user_id),
            )
            for who in found
        ]
        here.out.table(("name", "called", "role", "since", "", "id"), rows)
        return
    for who in found:
        here.out.record(
            {
                "user_id": str(who.user_id),
                "name": who.name,
                "role": ROLE_NAMES.get(who.role, ""),
                "joined_at": who.joined_at,
                "group_id": str(one.group_id),
                "nickname": who.nickname or None,
                "muted_until": who.muted_until or None,
                "disabled": who.disabled,
            }
        )


def _muted(until: int) -> str:
    """Return until when a member is muted, if that is not over."""
    from chatsrv.cli.events import until_when

    return f"muted{until_when(until)}" if until > time.time() * 1000 else ""


@group.command("add")
@online
async def add(here: CommandContext, which: GroupName, users: UserNames) -> None:
    """Add people to a group: all of them, or (when one cannot be added) none.

    Who left it before, or does not let you add them, is invited: `chatsrv group invitations`.
    """
    from chatsrv.cli.lookup import find_group, find_people

    async with here.session() as client:
        one = await find_group(here, client, which)
        people = await find_people(client, users)
        changed = await client.group(one.group_id).add_members([person.user_id for person in people])
    added = [person.name for person in people if person.user_id not in changed.invited]
    invited = [person.name for person in people if person.user_id in changed.invited]
    done = [f"{what} {', '.join(names)}" for what, names in (("added", added), ("invited", invited)) if names]
    here.out.say(
        f"{' and '.join(done)} to '{one.name}'",
        group_id=str(one.group_id),
        seq=changed.seq,
        added=added,
        invited=invited,
    )


@group.command("remove")
@online
async def remove(here: CommandContext, which: GroupName, users: UserNames) -> None:
    """Remove people from a group: they read nothing of it any more."""
    from chatsrv.cli.lookup import find_group, find_people

    async with here.session() as client:
        one = await find_group(here, client, which)
        for person in await find_people(client, users):
            changed = await client.group(one.group_id).remove_member(person.user_id)
            here.out.say(
                f"removed {person.name} from '{one.name}'",
                group_id=str(one.group_id),
                seq=changed.seq,
                removed=[person.name],
            )


@group.command("leave")
@online
async def leave(
    here: CommandContext,
    which: Annotated[str | None, Argument(metavar="[G]", help="The group: its name or id.")] = None,
    added: Annotated[
        bool, Option("--added", help="All groups that others put you into: `chatsrv group added`.")
    ] = False,
    by: Annotated[str | None, Option("--by", metavar="USER", help="With --added: by this person.")] = None,
) -> None:
    """Leave a group, or all groups that others put you into."""
    from chatsrv.cli.errors import usage
    from chatsrv.cli.lookup import find_group

    if (which is None) == (not added) or (by is not None and not added):
        raise usage("name a group, or --added for those that others put you into (--by USER: this person)")
    if which is None:
        await _leave_added(here, by)
        return
    async with here.session() as client:
        one = await find_group(here, client, which)
        changed = await client.group(one.group_id).leave()
    here.out.say(f"you left '{one.name}'", group_id=str(one.group_id), seq=changed.seq)


async def _leave_added(here: CommandContext, by: str | None) -> None:
    from chatsrv_names import name_key

    async with here.session() as client:
        groups = [
            one for one in await client.groups.list_added() if by is None or name_key(one.by.name) == name_key(by)
        ]
        left, _ = await client.groups.leave([one.group_id for one in groups])
    for one in groups:
        done = one.group_id in left
        sentence = f"you left '{one.name}'" if done else f"you are still in '{one.name}': its owner stays"
        here.out.say(sentence, group_id=str(one.group_id), name=one.name, left=done)
    if not groups and not here.out.json:
        here.out.note("nobody put you into a group that you are in")


@group.command("added")
@online
async def added(here: CommandContext) -> None:
    """Show the groups that others put you into; `chatsrv group leave --added` leaves them."""
    from chatsrv.cli.events import clock

    async with here.session() as client:
        groups = await client.groups.list_added()
    for one in groups:
        here.out.say(
            f"{one.name}: by {one.by.name}, {clock(one.joined_at)}, id {one.group_id}",
            group_id=str(one.group_id), name=one.name, by=one.by.name, joined_at=one.joined_at,
        )  # fmt: skip
    if not groups and not here.out.json:
        here.out.note("nobody put you into a group that you are in")


@group.command("invitations")
@online
async def invitations(
    here: CommandContext,
    accept: Annotated[int | None, Option("--accept", metavar="ID", min=1, help="Come into this group.")] = None,
    ignore: Annotated[int | None, Option("--ignore", metavar="ID", min=1, help="Not this group.")] = None,
) -> None:
    """Show into which groups you are invited, accept an invitation, or ignore it."""
    from chatsrv.cli.errors import usage
    from chatsrv.cli.events import clock

    if accept is not None and ignore is not None:
        raise usage("choose between --accept and --ignore")
    async with here.session() as client:
        if accept is not None:
            entered = await client.groups.accept_invitation(accept)
            here.out.say(f"you are in '{entered.name}' now", group_id=str(accept), name=entered.name, seq=entered.seq)
            return
        if ignore is not None:
            await client.groups.ignore_invitation(ignore)
            here.out.say("the invitation is off your list", group_id=str(ignore), ignored=True)
            return
        found = await client.groups.list_invitations()
    for one in found:
        here.out.say(
            f"{one.name}: by {one.by.name}, {clock(one.made_at)}, id {one.group_id}",
            group_id=str(one.group_id), name=one.name, by=one.by.name, made_at=one.made_at,
        )  # fmt: skip
    if not found and not here.out.json:
        here.out.note("you are invited into no group")


@group.command("rename")
@online
async def rename(
    here: CommandContext,
    which: GroupName,
    name: Annotated[str, Argument(metavar="NAME", help="Its new name.")],
) -> None:
    """Give a group another name."""
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        one = await find_group(here, client, which)
        changed = await client.group(one.group_id).rename(name)
    here.out.say(f"'{one.name}' is called '{name}' now", group_id=str(one.group_id), seq=changed.seq, name=name)


@group.command("forget")
@online
async def forget(
    here: CommandContext,
    name: Annotated[str, Argument(metavar="NAME", help="What groups are called.")],
) -> None:
    """Forget which group a name meant: it means nothing until it is used again, and can then mean another."""
    from chatsrv.cli.known_groups import KnownGroups

    meant = KnownGroups(here).forget(name)
    sentence = f"'{name}' no longer means {meant}" if meant is not None else f"'{name}' meant no group"
    here.out.say(sentence, name=name, meant=None if meant is None else str(meant))


@group.command("avatar")
@online
async def avatar(
    here: CommandContext,
    which: GroupName,
    media_id: Annotated[
        int | None,
        Argument(metavar="[ID]", help="A picture that I uploaded; 0 for none.", min=0),
    ] = None,
    file: Annotated[Path | None, Option("--file", metavar="PATH", help="Upload this picture.")] = None,
) -> None:
    """Give a group a picture, or take it away."""
    from chatsrv.cli.commands.media import upload
    from chatsrv.cli.errors import usage
    from chatsrv.cli.lookup import find_group

    if (media_id is None) == (file is None):
        raise usage("name a picture: its ID (0 for none), or --file PATH")
    async with here.session() as client:
        one = await find_group(here, client, which)
        if file is not None:
            media_id = await upload(here.out, client, file, kind="image")
        assert media_id is not None
        changed = await client.group(one.group_id).set_avatar(media_id)
    sentence = f"'{one.name}' has picture {media_id} now" if media_id else f"'{one.name}' has no picture now"
    avatar_id = str(media_id) if media_id else None
    here.out.say(sentence, group_id=str(one.group_id), seq=changed.seq, avatar=avatar_id)
