"""`tail`: every event of some groups or all, once and in order, over lost connections and restarts of the server."""

from typing import TYPE_CHECKING, Annotated, Any, cast

from chatsrv.cli.declare import Argument, Option
from chatsrv.cli.errors import Failure
from chatsrv.cli.online import CommandContext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatsrv.cli.output import Output
    from chatsrv_protocol.groups import Group


async def tail(
    here: CommandContext,
    which: Annotated[
        list[str] | None,
        Argument(metavar="G", help="The groups, by name or id, or @name of a person; none means all."),
    ] = None,
    after: Annotated[
        int | None, Option("--after", metavar="N", min=0, help="Begin after #N instead of with what comes now.")
    ] = None,
) -> None:
    """Follow groups until control-C: every event once and in order, whatever happens to the connection.

    Groups that you are added to later are followed too, unless some were named.
    """
    from chatsrv.cli.lookup import choose_group

    async with here.session(follow=True) as client:
        groups = await client.groups.list()
        followed = {choose_group(here, groups, name).group_id: None for name in which} if which else None
        chosen = [group for group in groups if followed is None or group.group_id in followed]
        begin = {} if after is None else {group.group_id: after for group in chosen}
        events = client.events(after=begin)
        here.out.note(_beginning(chosen, after))
        names = {group.group_id: group.name for group in groups}
        async for event in events:
            _take(here.out, event, names, followed)


def _beginning(groups: "Sequence[Group]", after: int | None) -> str:
    if not groups:
        return "following: you are in no group yet"
    names = ", ".join(f"'{group.name}'" for group in groups[:5]) + (", …" if len(groups) > 5 else "")
    return f"following {names}" + ("" if after is None else f" after #{after}")


def _take(out: "Output", event: Any, names: dict[int, str], followed: dict[int, None] | None) -> None:
    """Show an event of a followed group, and tell on standard error what happens to the connection and the groups."""
    from chatsrv.cli.commands.messages import show
    from chatsrv.client import Connected, Disconnected, Reconnecting
    from chatsrv_protocol import NUMBER_OF, UnknownEvent, is_sequence_event
    from chatsrv_protocol.groups import Added, GroupRenamed, Removed

    kind = cast("type[object]", type(event))
    if kind is UnknownEvent or (kind in NUMBER_OF and is_sequence_event(NUMBER_OF[kind])):
        if isinstance(event, GroupRenamed):
            names[event.group_id] = event.name
        if followed is None or event.group_id in followed:
            alone = followed is not None and len(followed) == 1
            show(out, event, "" if alone else names.get(event.group_id, str(event.group_id)))
    elif isinstance(event, Added):
        names[event.group.group_id] = event.group.name
        out.note(f"you are in '{event.group.name}' now")
    elif isinstance(event, Removed):
        out.note(f"you are not in '{names.get(event.group_id, event.group_id)}' any more")
        if followed is not None and event.group_id in followed:
            del followed[event.group_id]
            if not followed:
                raise Failure("there is nothing left to follow", code="not_member")
    elif isinstance(event, Disconnected):
        out.note(f"disconnected: {event.reason}")
    elif isinstance(event, Reconnecting):
        out.note(f"trying again in {event.delay:.0f} s")
    elif isinstance(event, Connected) and event.again:
        out.note("connected again")
