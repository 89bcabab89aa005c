"""`who`, `profile`, `devices`, `block` and `unblock`: who people are, who is there, and where I am logged in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from chatsrv.cli.arguments import GroupName, UserName
from chatsrv.cli.declare import Argument, Option
from chatsrv.cli.online import CommandContext

if TYPE_CHECKING:
    from chatsrv.client import Client
    from chatsrv_protocol.presence import MyProfile, Presence, Profile
    from chatsrv_protocol.session import Session

ADDED_BY = ("everybody", "known", "nobody")
"""The values of `who_adds` from 1 on, as one types them."""


async def who(
    here: CommandContext,
    which: GroupName,
    everybody: Annotated[bool, Option("--all", help="Also who is not, and when they last were.")] = False,
) -> None:
    """Show which members of a group are there now; who hides is left out."""
    from chatsrv.cli.events import clock
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        found = await client.group(group.group_id).online()
        away = await _away(client, group.group_id) if everybody else []
    for person in found.people:
        here.out.say(person.name, user_id=str(person.user_id), name=person.name, group_id=str(group.group_id))
    for name, one in away:
        here.out.say(
            f"{name}, last seen {clock(one.seen_at)}" if one.seen_at else f"{name}, not there",
            user_id=str(one.user_id), name=name, group_id=str(group.group_id), online=False, seen_at=one.seen_at,
        )  # fmt: skip
    if not here.out.json:
        here.out.note(f"{found.online} of {group.members} are there")


async def _away(client: "Client", group_id: int) -> "list[tuple[str, Presence]]":
    """Return members who are not there, by name, with when they last were; those who hide are left out."""
    from chatsrv_protocol.limits import MAX_PAGE

    members = await client.group(group_id).members()
    names = {one.user_id: one.name for one in members}
    ids = list(names)
    away: list[tuple[str, Presence]] = []
    for at in range(0, len(ids), MAX_PAGE):
        away += [
            (names[one.user_id], one) for one in await client.presence.watch(ids[at : at + MAX_PAGE]) if not one.online
        ]
    return sorted(away, key=lambda each: each[0])


async def profile(
    here: CommandContext,
    users: Annotated[
        list[str] | None,
        Argument(metavar="USER", help="Whose profiles; nobody means mine."),
    ] = None,
    nickname: Annotated[
        str | None,
        Option(metavar="TEXT", help="What others see beside my name; '' for none."),
    ] = None,
    avatar: Annotated[int | None, Option(metavar="ID", min=0, help="A picture that I uploaded; 0 for none.")] = None,
    avatar_file: Annotated[
        Path | None,
        Option("--avatar-file", metavar="PATH", help="Upload this picture as my avatar."),
    ] = None,
    hidden: Annotated[bool | None, Option("--hide/--show", help="Whether others see when I am there.")] = None,
    added_by: Annotated[
        str | None,
        Option(
            "--added-by",
            metavar="WHO",
            help="Who may put me into groups: everybody, known (in a group or conversation with me) or nobody.",
        ),
    ] = None,
) -> None:
    """Show profiles, or change mine."""
    from chatsrv.cli.commands.media import upload
    from chatsrv.cli.errors import usage
    from chatsrv.cli.lookup import find_people

    if added_by is not None and added_by not in ADDED_BY:
        raise usage(f"--added-by is one of {', '.join(ADDED_BY)}")
    who_adds = None if added_by is None else ADDED_BY.index(added_by) + 1
    if users and any(value is not None for value in (avatar_file, nickname, avatar, hidden, who_adds)):
        raise usage("you can change your own profile only: name nobody")
    if avatar is not None and avatar_file is not None:
        raise usage("choose between --avatar and --avatar-file")
    async with here.session() as client:
        if avatar_file is not None:
            avatar = await upload(here.out, client, avatar_file, kind="image")
        if not users:
            mine = await client.people.set_profile(nickname=nickname, avatar=avatar, hidden=hidden, who_adds=who_adds)
            _show_mine(here, mine)
            return
        people = await find_people(client, users)
        for found in await client.people.profiles([person.user_id for person in people]):
            here.out.say(_sentence(found), **_record(found))


def _show_mine(here: CommandContext, mine: "MyProfile") -> None:
    hides = "; you hide when you are there" if mine.hidden else ""
    who = ADDED_BY[mine.who_adds - 1]
    known = "; only whom you know may put you into groups"
    added = {"known": known, "nobody": "; nobody may put you into groups"}.get(who, "")
    here.out.say(_sentence(mine.profile) + hides + added, **_record(mine.profile), hidden=mine.hidden, added_by=who)


def _sentence(one: "Profile") -> str:
    called = f" is called '{one.nickname}'" if one.nickname else " has no nickname"
    disabled = ", the account is disabled" if one.disabled else ""
    return f"{one.name}{called}" + (f", avatar {one.avatar}" if one.avatar else "") + disabled


def _record(one: "Profile") -> dict[str, object]:
    return {
        "user_id": str(one.user_id),
        "name": one.name,
        "nickname": one.nickname,
        "avatar": str(one.avatar) if one.avatar else None,
        "disabled": one.disabled,
    }


async def devices(
    here: CommandContext,
    end: Annotated[int | None, Option("--end", metavar="ID", min=1, help="Log this one out.")] = None,
) -> None:
    """Show where you are logged in, or log one of your devices out."""
    async with here.session() as client:
        if end is not None:
            await client.account.end_session(end)
            here.out.say(f"the session {end} is over", session_id=str(end), ended=True)
            return
        sessions = await client.account.sessions()
    if here.out.json:
        for one in sessions:
            here.out.record(_session_record(one))
        return
    from chatsrv.cli.events import clock

    rows = [
        (
            one.device or "?",
            clock(one.seen_at),
            clock(one.created_at),
            str(one.session_id),
            "this one" if one.current else "",
        )
        for one in sessions
    ]
    here.out.table(("device", "last seen", "since", "id", ""), rows)


def _session_record(one: "Session") -> dict[str, object]:
    return {
        "session_id": str(one.session_id),
        "device": one.device,
        "created_at": one.created_at,
        "seen_at": one.seen_at,
        "current": one.current,
    }


async def block(
    here: CommandContext,
    user: Annotated[str | None, Argument(metavar="USER", help="Whom; nobody: list them.")] = None,
) -> None:
    """Keep somebody away from you, or list whom you block.

    They write nothing in your conversation of two, add you to no group, call you by no mention, and do not see whether
    you are there, type or have read something. They are told nothing until they try.
    """
    from chatsrv.cli.lookup import find_people

    async with here.session() as client:
        if user is None:
            for person in await client.people.blocked():
                here.out.say(person.name, user_id=str(person.user_id), name=person.name)
            return
        (person,) = await find_people(client, [user])
        await client.people.block(person.user_id)
    here.out.say(f"you block {person.name} now", user_id=str(person.user_id), name=person.name, blocked=True)


async def unblock(here: CommandContext, user: UserName) -> None:
    """Let somebody write to you again."""
    from chatsrv.cli.lookup import find_people

    async with here.session() as client:
        (person,) = await find_people(client, [user])
        await client.people.unblock(person.user_id)
    here.out.say(f"{person.name} can write to you again", user_id=str(person.user_id), name=person.name, blocked=False)
