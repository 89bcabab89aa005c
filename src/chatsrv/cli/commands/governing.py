"""`chatsrv group …`: governing a group, and ways into it; and `dm`, a conversation of two."""

import sys
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

import click

from chatsrv.cli.arguments import GroupName, UserName
from chatsrv.cli.declare import Argument, CommandGroup, Option
from chatsrv.cli.errors import usage
from chatsrv.cli.online import CommandContext, online

if TYPE_CHECKING:
    from chatsrv.client import Client
    from chatsrv_protocol.governing import Invite
    from chatsrv_protocol.groups import Group
    from chatsrv_protocol.session import Person

Lasting = Annotated[str, Option("--for", metavar="TIME", help="How long: 90s, 10m, 2h, 7d or forever.")]


async def _find(here: CommandContext, client: "Client", which: str, name: str) -> "tuple[Group, Person]":
    from chatsrv.cli.lookup import find_group, find_people

    group = await find_group(here, client, which)
    (person,) = await find_people(client, [name])
    return group, person


@online
async def role(
    here: CommandContext,
    which: GroupName,
    user: UserName,
    wanted: Annotated[Literal["admin", "member"], Argument(metavar="ROLE", help="admin or member.")],
) -> None:
    """Make a member an admin, or an admin a member."""
    async with here.session() as client:
        group, person = await _find(here, client, which, user)
        changed = await client.group(group.group_id).set_role(person.user_id, {"member": 1, "admin": 2}[wanted])
    sentence = f"{person.name} is {'an admin' if wanted == 'admin' else 'a member'} of '{group.name}' now"
    here.out.say(sentence, group_id=str(group.group_id), seq=changed.seq, user=person.name, role=wanted)


@online
async def transfer(here: CommandContext, which: GroupName, user: UserName) -> None:
    """Hand a group over: the member becomes its owner, and you an admin."""
    async with here.session() as client:
        group, person = await _find(here, client, which, user)
        changed = await client.group(group.group_id).hand_over(person.user_id)
    here.out.say(
        f"{person.name} owns '{group.name}' now", group_id=str(group.group_id), seq=changed.seq, owner=person.name
    )


@online
async def dissolve(
    here: CommandContext,
    which: GroupName,
    yes: Annotated[bool, Option("--yes", "-y", help="Do not ask whether you are sure.")] = False,
) -> None:
    """End a group for everybody: nobody can read it any more."""
    from chatsrv.cli.lookup import find_group
    from chatsrv.cli.terminal_escape import neutralise

    async with here.session() as client:
        group = await find_group(here, client, which)
        if not yes:
            if not sys.stdin.isatty():
                raise usage("say --yes to dissolve a group without being asked")
            click.confirm(f"End '{neutralise(group.name)}' for its {group.members} members?", abort=True, err=True)
        changed = await client.group(group.group_id).dissolve()
    here.out.say(f"dissolved '{group.name}'", group_id=str(group.group_id), seq=changed.seq)


@online
async def mute(here: CommandContext, which: GroupName, user: UserName, lasting: Lasting = "forever") -> None:
    """Let a member say nothing for a time."""
    from chatsrv.cli.durations import shown, until

    async with here.session() as client:
        group, person = await _find(here, client, which, user)
        at = until(client.server_time(), lasting)
        changed = await client.group(group.group_id).mute(person.user_id, at)
    sentence = f"muted {person.name} in '{group.name}' {shown(at)}"
    here.out.say(sentence, group_id=str(group.group_id), seq=changed.seq, user=person.name, until=at)


@online
async def unmute(here: CommandContext, which: GroupName, user: UserName) -> None:
    """Let a member speak again."""
    async with here.session() as client:
        group, person = await _find(here, client, which, user)
        changed = await client.group(group.group_id).unmute(person.user_id)
    sentence = f"{person.name} may speak in '{group.name}' again"
    here.out.say(sentence, group_id=str(group.group_id), seq=changed.seq, user=person.name)


@online
async def ban(here: CommandContext, which: GroupName, user: UserName, lasting: Lasting = "forever") -> None:
    """Keep somebody out of a group for a time; a member is removed."""
    from chatsrv.cli.durations import shown, until

    async with here.session() as client:
        group, person = await _find(here, client, which, user)
        at = until(client.server_time(), lasting)
        changed = await client.group(group.group_id).ban(person.user_id, at)
    sentence = f"banned {person.name} from '{group.name}' {shown(at)}"
    here.out.say(sentence, group_id=str(group.group_id), seq=changed.seq, user=person.name, until=at)


@online
async def unban(here: CommandContext, which: GroupName, user: UserName) -> None:
    """Let somebody who is banned come back."""
    async with here.session() as client:
        group, person = await _find(here, client, which, user)
        changed = await client.group(group.group_id).unban(person.user_id)
    sentence = f"{person.name} may come back to '{group.name}'"
    here.out.say(sentence, group_id=str(group.group_id), seq=changed.seq, user=person.name)


@online
async def bans(here: CommandContext, which: GroupName) -> None:
    """Show who is kept out of a group."""
    from chatsrv.cli.durations import shown
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        found = await client.group(group.group_id).bans()
    if here.out.json:
        for one in found:
            here.out.record({"user_id": str(one.user_id), "name": one.name, "until": one.until, "by": one.by})
        return
    here.out.table(
        ("name", "banned", "by"), [(one.name, shown(one.until), one.by) for one in found], empty="nobody is banned"
    )


def _invite_record(group: "Group", one: "Invite") -> dict[str, object]:
    return {
        "code": one.code, "group_id": str(group.group_id), "made_by": one.made_by.name, "made_at": one.made_at,
        "expires_at": one.expires_at, "max_uses": one.max_uses, "uses": one.uses,
    }  # fmt: skip


@online
async def invite(
    here: CommandContext,
    which: GroupName,
    lasting: Lasting = "7d",
    uses: Annotated[int, Option(metavar="N", help="How many people may use it; 0 is any number.", min=0)] = 0,
    show: Annotated[bool, Option("--list", help="Show the invites that are good, and make none.")] = False,
    revoke: Annotated[str | None, Option(metavar="CODE", help="End this invite, and make none.")] = None,
) -> None:
    """Make a code by which people join a group; or list or revoke codes."""
    from chatsrv.cli.durations import shown, until
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        if revoke is not None:
            await client.group(group.group_id).revoke_invite(revoke)
            here.out.say(f"the invite {revoke} is void", group_id=str(group.group_id), revoked=revoke)
            return
        if show:
            found = await client.group(group.group_id).invites()
        else:
            expires_at = until(client.server_time(), lasting)
            found = (await client.group(group.group_id).create_invite(expires_at=expires_at, max_uses=uses),)
    if here.out.json:
        for one in found:
            here.out.record(_invite_record(group, one))
    elif not show:
        here.out.line(f"chatsrv group join {found[0].code}")
    else:
        rows = [
            (one.code, shown(one.expires_at), f"{one.uses}/{one.max_uses or '∞'}", one.made_by.name) for one in found
        ]
        here.out.table(("code", "good", "used", "by"), rows, empty="there is no invite")


@online
async def join(
    here: CommandContext,
    code: Annotated[str, Argument(metavar="CODE", help="The code of an invite.")],
    note: Annotated[str, Option(help="A word about you, where an admin decides.")] = "",
) -> None:
    """Join a group by an invite's code, or ask to where admins decide."""
    async with here.session() as client:
        entered = await client.groups.join(code, note)
    sentence = f"'{entered.name}' lets people in by approval: you are in once an admin says so"
    here.out.say(
        sentence if entered.waiting else f"you are in '{entered.name}' now",
        group_id=str(entered.group_id),
        name=entered.name,
        seq=entered.seq,
        waiting=entered.waiting,
    )


@online
async def approve(
    here: CommandContext,
    which: GroupName,
    users: Annotated[
        list[str] | None,
        Argument(metavar="USER", help="Who asks; nobody: show who does."),
    ] = None,
    reject: Annotated[bool, Option("--reject", help="Do not let them in.")] = False,
) -> None:
    """Show who asks to join a group, or let them in."""
    from chatsrv.cli.events import clock
    from chatsrv.cli.lookup import find_group, find_people

    async with here.session() as client:
        group = await find_group(here, client, which)
        if not users:
            found = await client.group(group.group_id).join_requests()
            if here.out.json:
                for one in found:
                    person = {"user_id": str(one.person.user_id), "name": one.person.name}
                    here.out.record({**person, "note": one.note, "made_at": one.made_at})
            else:
                here.out.table(
                    ("name", "since", "note"), [(one.person.name, clock(one.made_at), one.note) for one in found]
                )
            return
        for person in await find_people(client, users):
            await client.group(group.group_id).decide_join(person.user_id, accept=not reject)
            here.out.say(
                f"{person.name} is {'not let in' if reject else 'in'} '{group.name}'",
                group_id=str(group.group_id),
                user=person.name,
                accepted=not reject,
            )


@online
async def notice(
    here: CommandContext,
    which: GroupName,
    text: Annotated[str | None, Argument(metavar="TEXT|-", help="What it says; - reads standard input.")] = None,
    clear: Annotated[bool, Option("--clear", help="Take it down.")] = False,
) -> None:
    """Show the notice of a group, put it up or take it down."""
    from chatsrv.cli.events import clock
    from chatsrv.cli.lookup import find_group

    if text == "-":
        text = sys.stdin.read().strip()
    async with here.session() as client:
        group = await find_group(here, client, which)
        if text is not None or clear:
            changed = await client.group(group.group_id).set_notice("" if clear else text or "")
            done = "took the notice down" if clear or not text else "put the notice up"
            here.out.say(f"{done} in '{group.name}'", group_id=str(group.group_id), seq=changed.seq)
            return
        shown = await client.group(group.group_id).notice()
    if here.out.json:
        record = {"text": shown.notice, "by": shown.notice_by, "at": shown.notice_at}
        here.out.record({"group_id": str(group.group_id), **record})
    elif shown.notice:
        here.out.spoken(clock(shown.notice_at), shown.notice_by, shown.notice)
    else:
        here.out.line(f"'{group.name}' has no notice")


@online
async def nickname(
    here: CommandContext,
    which: GroupName,
    name: Annotated[str, Argument(metavar="NAME", help="How you are called there; nothing: by your name.")] = "",
) -> None:
    """Say how you are called in a group."""
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        changed = await client.group(group.group_id).set_nickname(name)
    called = f"called '{name}'" if name else "called by your name"
    here.out.say(f"you are {called} in '{group.name}'", group_id=str(group.group_id), seq=changed.seq, nickname=name)


async def dm(
    here: CommandContext,
    user: UserName,
    text: Annotated[str | None, Argument(metavar="TEXT", help="What to say there at once.")] = None,
) -> None:
    """Open the conversation with one person, and say something there; `send`, `history` and `tail` take their name too."""
    from chatsrv.cli.events import record_of
    from chatsrv.cli.lookup import find_people

    async with here.session() as client:
        (person,) = await find_people(client, [user])
        group = await client.groups.open_direct(person.user_id)
        if text is not None:
            sent = await client.group(group.group_id).send(text)
            if here.out.json:
                here.out.record(record_of(sent))
            else:
                here.out.line(f"#{sent.seq} to {person.name}")
            return
    here.out.say(
        f"your conversation with {person.name} has the id {group.group_id}",
        id=str(group.group_id),
        group_id=str(group.group_id),
        name=group.name,
    )


@cache
def group_commands() -> CommandGroup:
    """Return all commands of `chatsrv group`: these beside `group create` and the like."""
    from chatsrv.cli.commands.group_rules import make_rules
    from chatsrv.cli.commands.groups import group

    for command in (
        make_rules(), role, transfer, dissolve, mute, unmute, ban, unban, bans, invite, join, approve, notice, nickname,
    ):  # fmt: skip
        group.command(command.__name__)(command)
    return group
