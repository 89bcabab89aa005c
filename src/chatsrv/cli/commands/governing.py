"""`chatsrv group …`: governing a group, and ways into it; and `dm`, a conversation of two."""

import sys
from functools import cache
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from chatsrv.cli.errors import usage
from chatsrv.cli.online import CommandContext, online

if TYPE_CHECKING:
    from chatsrv.client import Client
    from chatsrv_protocol.governing import Invite
    from chatsrv_protocol.groups import Group
    from chatsrv_protocol.session import Person

Which = Annotated[
    str, typer.Argument(metavar="G", help="The group: its name or id, or @name of a person.", show_default=False)
]
User = Annotated[str, typer.Argument(metavar="USER", help="Name of an account.", show_default=False)]
Lasting = Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 90s, 10m, 2h, 7d or forever.")]
Who = Literal["everybody", "admins"]

_WHO: Final = {"everybody": 1, "admins": 2}
_WHO_NAMES: Final = {1: "everybody", 2: "admins"}
_BY_ROLE: Final = ("invite", "pin", "mention_all")


async def _find(here: CommandContext, client: "Client", which: str, name: str) -> "tuple[Group, Person]":
    from chatsrv.cli.lookup import find_group, find_people

    group = await find_group(here, client, which)
    (person,) = await find_people(client, [name])
    return group, person


def _rules_record(group: "Group") -> dict[str, object]:
    import attrs

    rules = attrs.asdict(group.rules)
    return {"group_id": str(group.group_id), **rules, **{name: _WHO_NAMES.get(rules[name], "") for name in _BY_ROLE}}


@online
async def rules(
    here: CommandContext,
    which: Which,
    invite: Annotated[Who | None, typer.Option(help="Who adds people and makes invites.")] = None,
    approval: Annotated[
        bool | None, typer.Option("--approval/--no-approval", help="Admins let in who comes by an invite.")
    ] = None,
    history: Annotated[
        bool | None, typer.Option("--history/--no-history", help="Newcomers read what was said before.")
    ] = None,
    mute_all: Annotated[bool | None, typer.Option("--mute-all/--no-mute-all", help="Only admins speak.")] = None,
    slow_mode: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="Between two messages of a member; 0 ends it.")
    ] = None,
    max_members: Annotated[int | None, typer.Option(metavar="N", help="How many may be in it.")] = None,
    pin: Annotated[Who | None, typer.Option(help="Who pins messages.")] = None,
    mention_all: Annotated[Who | None, typer.Option(help="Who mentions everybody.")] = None,
    keep_edits: Annotated[
        bool | None, typer.Option("--keep-edits/--drop-edits", help="Admins can read what was edited away.")
    ] = None,
) -> None:
    """Show the rules of a group, or change those that are named."""
    from chatsrv.cli.lookup import find_group

    given = {
        "invite": _WHO.get(invite or ""), "approval": approval, "history": history, "mute_all": mute_all,
        "slow_mode": slow_mode, "max_members": max_members, "pin": _WHO.get(pin or ""),
        "mention_all": _WHO.get(mention_all or ""), "keep_edits": keep_edits,
    }  # fmt: skip
    changes = {name: value for name, value in given.items() if value is not None}
    async with here.session() as client:
        group = await find_group(here, client, which)
        if changes:
            await client.group(group.group_id).set_rules(**changes)
            group = await client.group(group.group_id).show()
    record = _rules_record(group)
    if here.out.json:
        here.out.record(record)
        return
    words = {True: "yes", False: "no"}
    rows = [(name.replace("_", " "), words.get(value, str(value)) if type(value) is bool else str(value))
            for name, value in record.items() if name != "group_id"]  # fmt: skip
    here.out.table((f"rules of '{group.name}'", ""), rows)


@online
async def role(
    here: CommandContext,
    which: Which,
    user: User,
    wanted: Annotated[
        Literal["admin", "member"], typer.Argument(metavar="ROLE", help="admin or member.", show_default=False)
    ],
) -> None:
    """Make a member an admin, or an admin a member."""
    async with here.session() as client:
        group, person = await _find(here, client, which, user)
        changed = await client.group(group.group_id).set_role(person.user_id, {"member": 1, "admin": 2}[wanted])
    sentence = f"{person.name} is {'an admin' if wanted == 'admin' else 'a member'} of '{group.name}' now"
    here.out.say(sentence, group_id=str(group.group_id), seq=changed.seq, user=person.name, role=wanted)


@online
async def transfer(here: CommandContext, which: Which, user: User) -> None:
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
    which: Which,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether you are sure.")] = False,
) -> None:
    """End a group for everybody: nobody can read it any more."""
    from chatsrv.cli.lookup import find_group
    from chatsrv.cli.terminal_escape import neutralise

    async with here.session() as client:
        group = await find_group(here, client, which)
        if not yes:
            if not sys.stdin.isatty():
                raise usage("say --yes to dissolve a group without being asked")
            typer.confirm(f"End '{neutralise(group.name)}' for its {group.members} members?", abort=True, err=True)
        changed = await client.group(group.group_id).dissolve()
    here.out.say(f"dissolved '{group.name}'", group_id=str(group.group_id), seq=changed.seq)


@online
async def mute(here: CommandContext, which: Which, user: User, lasting: Lasting = "forever") -> None:
    """Let a member say nothing for a time."""
    from chatsrv.cli.durations import shown, until

    async with here.session() as client:
        group, person = await _find(here, client, which, user)
        at = until(client.server_time(), lasting)
        changed = await client.group(group.group_id).mute(person.user_id, at)
    sentence = f"muted {person.name} in '{group.name}' {shown(at)}"
    here.out.say(sentence, group_id=str(group.group_id), seq=changed.seq, user=person.name, until=at)


@online
async def unmute(here: CommandContext, which: Which, user: User) -> None:
    """Let a member speak again."""
    async with here.session() as client:
        group, person = await _find(here, client, which, user)
        changed = await client.group(group.group_id).unmute(person.user_id)
    sentence = f"{person.name} may speak in '{group.name}' again"
    here.out.say(sentence, group_id=str(group.group_id), seq=changed.seq, user=person.name)


@online
async def ban(here: CommandContext, which: Which, user: User, lasting: Lasting = "forever") -> None:
    """Keep somebody out of a group for a time; a member is removed."""
    from chatsrv.cli.durations import shown, until

    async with here.session() as client:
        group, person = await _find(here, client, which, user)
        at = until(client.server_time(), lasting)
        changed = await client.group(group.group_id).ban(person.user_id, at)
    sentence = f"banned {person.name} from '{group.name}' {shown(at)}"
    here.out.say(sentence, group_id=str(group.group_id), seq=changed.seq, user=person.name, until=at)


@online
async def unban(here: CommandContext, which: Which, user: User) -> None:
    """Let somebody who is banned come back."""
    async with here.session() as client:
        group, person = await _find(here, client, which, user)
        changed = await client.group(group.group_id).unban(person.user_id)
    sentence = f"{person.name} may come back to '{group.name}'"
    here.out.say(sentence, group_id=str(group.group_id), seq=changed.seq, user=person.name)


@online
async def bans(here: CommandContext, which: Which) -> None:
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
    which: Which,
    lasting: Lasting = "7d",
    uses: Annotated[int, typer.Option(metavar="N", help="How many people may use it; 0 is any number.", min=0)] = 0,
    show: Annotated[bool, typer.Option("--list", help="Show the invites that are good, and make none.")] = False,
    revoke: Annotated[str | None, typer.Option(metavar="CODE", help="End this invite, and make none.")] = None,
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
    code: Annotated[str, typer.Argument(metavar="CODE", help="The code of an invite.", show_default=False)],
    note: Annotated[str, typer.Option(help="A word about you, where an admin decides.", show_default=False)] = "",
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
    which: Which,
    users: Annotated[
        list[str] | None,
        typer.Argument(metavar="USER", help="Who asks; nobody: show who does.", show_default=False),
    ] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Do not let them in.")] = False,
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
    which: Which,
    text: Annotated[str | None, typer.Argument(metavar="TEXT|-", help="What it says; - reads standard input.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take it down.")] = False,
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
    which: Which,
    name: Annotated[str, typer.Argument(metavar="NAME", help="How you are called there; nothing: by your name.")] = "",
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
    user: User,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="What to say there at once.")] = None,
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
def group_commands() -> typer.Typer:
    """All commands of `chatsrv group`: these beside `group create` and the like."""
    from chatsrv.cli.commands.groups import group

    for command in (
        rules, role, transfer, dissolve, mute, unmute, ban, unban, bans, invite, join, approve, notice, nickname,
    ):  # fmt: skip
        group.command(command.__name__)(command)
    return group
