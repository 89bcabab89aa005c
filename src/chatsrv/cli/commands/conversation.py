"""Commands about messages that were sent: `read`, `unread`, `reply`, `edit`, `recall`, `react`, `pin`, `search` …"""

from typing import TYPE_CHECKING, Annotated, Final

from chatsrv.cli.arguments import Everybody, GroupName, Mention, MessageNumber
from chatsrv.cli.commands.messages import calling
from chatsrv.cli.declare import Argument, Option
from chatsrv.cli.errors import usage
from chatsrv.cli.online import CommandContext

if TYPE_CHECKING:
    from chatsrv.cli.output import Output
    from chatsrv_protocol.groups import Changed, Group

Off = Annotated[bool, Option("--off", help="Take it away again.")]

MOST_FOUND: Final = 200


async def read(
    here: CommandContext,
    which: GroupName,
    seq: Annotated[int | None, Argument(metavar="N", min=1, help="Up to this number; else everything.")] = None,
) -> None:
    """Mark a group as read, on all your devices."""
    from chatsrv.cli.lookup import find_group
    from chatsrv.client.following.view import unread_in, unread_label

    async with here.session() as client:
        group = await find_group(here, client, which)
        await client.group(group.group_id).mark_read(seq or group.seq)
        group = await find_group(here, client, str(group.group_id))
    left = unread_in(group)
    here.out.say(
        f"'{group.name}': {unread_label(left) or 'nothing'} unread",
        group_id=str(group.group_id), read_seq=group.read_seq, unread=left,
    )  # fmt: skip


async def unread(here: CommandContext) -> None:
    """Show what is unread in your groups, and who called you; quiet groups are counted apart."""
    from chatsrv.client.following.view import unread_in, unread_label, unread_of

    async with here.session() as client:
        groups = await client.groups.list()
    if here.out.json:
        for group in groups:
            here.out.record(_unread_record(group))
        return
    rows = [
        (
            group.name,
            unread_label(unread_in(group)),
            f"@{unread_label(group.mentions)}" if group.mentions else "",
            "quiet" if group.quiet else "",
            _preview(group),
        )
        for group in groups
        if unread_in(group) or group.mentions
    ]
    if rows:
        here.out.table(("group", "unread", "you", "", "last"), rows, empty="nothing is unread")
    total = unread_of(list(groups))
    apart = f", and {unread_label(total.quiet)} in quiet groups" if total.quiet else ""
    here.out.line(f"{unread_label(total.messages) or 'nothing'} unread{apart}")


def _preview(group: "Group") -> str:
    last = group.last
    if last is None:
        return ""
    return f"{last.sender}: {'(recalled)' if last.recalled else ' '.join(last.text.split())}"


def _unread_record(group: "Group") -> dict[str, object]:
    from chatsrv.cli.events import record_of
    from chatsrv.client.following.view import unread_in

    return {
        "group_id": str(group.group_id),
        "name": group.name,
        "unread": unread_in(group),
        "mentions": group.mentions,
        "quiet": group.quiet,
        "read_seq": group.read_seq,
        "seq": group.seq,
        "last": None if group.last is None else record_of(group.last),
    }


async def quiet(here: CommandContext, which: GroupName, off: Off = False) -> None:
    """Count a group's unread messages apart, on all your devices."""
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        await client.group(group.group_id).set_quiet(not off)
    state = "is not quiet any more" if off else "is quiet"
    here.out.say(f"'{group.name}' {state}", group_id=str(group.group_id), quiet=not off)


def _acked(out: "Output", sent: object, what: str) -> None:
    from chatsrv.cli.events import record_of

    if out.json:
        out.record(record_of(sent))
    else:
        out.line(what)


async def reply(
    here: CommandContext,
    which: GroupName,
    of: Annotated[int, Argument(metavar="N", min=0, help="The message to answer: its number; 0 for none.")],
    text: Annotated[str, Argument(metavar="TEXT", help="What to say.")],
    mention: Mention = None,
    everybody: Everybody = False,
    keep_excerpt: Annotated[
        bool,
        Option("--keep-excerpt", help="Show how that message begins also to members who came after it."),
    ] = False,
) -> None:
    """Answer a message, and call people by name: also by `@name` in the text."""
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        call = await calling(client, group, mention, everybody=everybody)
        sent = await client.group(group.group_id).reply(of, text, keep_excerpt=keep_excerpt, **await call(text))
    _acked(here.out, sent, f"#{sent.seq} in '{group.name}'")


async def edit(
    here: CommandContext,
    which: GroupName,
    of: MessageNumber,
    text: Annotated[str, Argument(metavar="TEXT", help="The new words.")],
) -> None:
    """Give a message of yours other words; whom they call with `@name` replaces whom the message called."""
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        call = await calling(client, group, None, everybody=False)
        changed = await client.group(group.group_id).edit(of, text, **await call(text))
    _acked(here.out, changed, f"#{of} in '{group.name}' is corrected")


async def recall(here: CommandContext, which: GroupName, of: MessageNumber) -> None:
    """Take a message back, for everybody."""
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        changed = await client.group(group.group_id).recall(of)
    _acked(here.out, changed, f"#{of} in '{group.name}' is recalled")


def _or_already(changed: "Changed", sentence: str) -> str:
    return sentence if changed.seq else "it was so already"


def is_emoji(text: str) -> bool:
    """Whether a text is one or more pictures: symbols, with what joins, colours and frames them."""
    import unicodedata

    joined = [one for one in text if one not in "\u200d\ufe0e\ufe0f\u20e3" and not "\U0001f3fb" <= one <= "\U0001f3ff"]
    keycap = "\u20e3" in text
    return bool(joined) and all(
        (unicodedata.category(one) in ("So", "Sk", "Sm", "Po", "Cn") and not one.isascii())
        or (keycap and one in "0123456789#*")
        for one in joined
    )


async def react(
    here: CommandContext,
    which: GroupName,
    of: MessageNumber,
    emoji: Annotated[str | None, Argument(metavar="EMOJI", help="The emoji; without one, list them.")] = None,
    off: Off = False,
) -> None:
    """Put an emoji under a message, or list those it has."""
    from chatsrv.cli.events import record_of
    from chatsrv.cli.lookup import find_group

    if emoji is not None and not is_emoji(emoji):
        raise usage(f"'{emoji}' is no emoji")
    async with here.session() as client:
        group = await find_group(here, client, which)
        if emoji is not None:
            changed = await client.group(group.group_id).react(of, emoji, present=not off)
            _acked(
                here.out,
                changed,
                _or_already(changed, f"{'took ' if off else ''}{emoji} {'off' if off else 'to'} #{of}"),
            )
            return
        for one in await client.group(group.group_id).reactions(of):
            if here.out.json:
                here.out.record(record_of(one))
            else:
                here.out.line(f"{one.emoji} {one.name}")


async def pin(
    here: CommandContext,
    which: GroupName,
    of: Annotated[int | None, Argument(metavar="N", min=1, help="The message; without it, list them.")] = None,
    off: Off = False,
) -> None:
    """Pin a message, or list what is pinned."""
    from chatsrv.cli.events import clock, record_of
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        if of is not None:
            changed = await client.group(group.group_id).pin(of, pinned=not off)
            _acked(
                here.out, changed, _or_already(changed, f"#{of} in '{group.name}' is {'unpinned' if off else 'pinned'}")
            )
            return
        for one in await client.group(group.group_id).pins():
            if here.out.json:
                here.out.record(record_of(one))
            else:
                here.out.spoken(f"#{one.of} {clock(one.sent_at)}", one.sender, one.excerpt)


async def forward(
    here: CommandContext,
    which: GroupName,
    of: MessageNumber,
    to: Annotated[str, Argument(metavar="TO", help="The group to say it in: its name or id.")],
) -> None:
    """Say a message again in another group, with its author's name."""
    from chatsrv.cli.lookup import choose_group

    async with here.session() as client:
        groups = await client.groups.list()
        source, target = choose_group(here, groups, which), choose_group(here, groups, to)
        sent = await client.group(target.group_id).forward(source.group_id, of)
    _acked(here.out, sent, f"#{sent.seq} in '{target.name}'")


async def receipts(here: CommandContext, which: GroupName, of: MessageNumber) -> None:
    """Show who has, and who has read, a message of yours."""
    from chatsrv.cli.events import record_of
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        found, counts = await client.group(group.group_id).receipts(of)
    if here.out.json:
        for one in found:
            here.out.record(record_of(one))
        return
    for one in found:
        here.out.line(f"{one.name} {'read it' if one.read else 'has it'}")
    here.out.line(f"read by {counts.read}, delivered to {counts.delivered} of {counts.members}")


async def versions(here: CommandContext, which: GroupName, of: MessageNumber) -> None:
    """Show what a message said before it was edited; for admins, if the group keeps edits."""
    from chatsrv.cli.events import clock, record_of
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        for one in await client.group(group.group_id).versions(of):
            if here.out.json:
                here.out.record(record_of(one))
            else:
                here.out.line(f"until {clock(one.replaced_at)}: {one.text}")


async def search(
    here: CommandContext,
    query: Annotated[list[str], Argument(metavar="WORD…", help="Words that a message must hold, all of them.")],
    group: Annotated[str | None, Option("--group", metavar="G", help="Only in this group.")] = None,
    limit: Annotated[int, Option("--limit", metavar="N", min=1, max=MOST_FOUND, help="At most so many.")] = 20,
) -> None:
    """Find messages in your groups by their words, the latest first; Chinese by any part of a sentence."""
    from chatsrv.cli.commands.messages import show
    from chatsrv.cli.lookup import choose_group

    async with here.session() as client:
        groups = await client.groups.list()
        where = choose_group(here, groups, group).group_id if group is not None else 0
        found, page = await client.messages.search(" ".join(query), where, limit=limit)
    names = {one.group_id: one.name for one in groups}
    for event in found:
        show(here.out, event, "" if where else names.get(event.group_id, "?"))
    if not found:
        here.out.note("nothing found")
    if page.more:
        here.out.note(f"there are more; show up to {MOST_FOUND} with --limit")
