"""`send`, `history` and `tail`, the commands that scripts need most."""

import math
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypedDict

from chatsrv.cli.arguments import Everybody, GroupName, Mention
from chatsrv.cli.declare import Argument, Option
from chatsrv.cli.errors import Failure
from chatsrv.cli.online import CommandContext

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from chatsrv.cli.output import Output
    from chatsrv.client import Client
    from chatsrv.client.events import SequenceEvent
    from chatsrv_protocol.groups import Group
    from chatsrv_protocol.messages import Sent


class Mentions(TypedDict):
    """Whom a message mentions, as the client library takes it."""

    mentions: tuple[int, ...]
    mention_all: bool


Call: TypeAlias = Callable[[str], Awaitable[Mentions]]
"""Whom a text calls, besides those whom the command names."""

GO_ON: Final = frozenset(("text_empty", "bad_field", "message_refused"))
"""Refusals of one line; the next may be accepted. Anything else ends `send G -`."""

PAGE: Final = 200

READ_BYTES: Final = 64 * 1024


async def send(
    here: CommandContext,
    which: GroupName,
    text: Annotated[
        str | None,
        Argument(metavar="TEXT|-", help="What to say; `-` or nothing sends each line of standard input."),
    ] = None,
    file: Annotated[
        list[Path] | None,
        Option(
            "--file",
            metavar="PATH",
            help="Send a file: a picture, sound or film is shown as one. Several times for several.",
        ),
    ] = None,
    caption: Annotated[str, Option("--caption", metavar="TEXT", help="What to say with the (first) file.")] = "",
    as_file: Annotated[bool, Option("--as-file", help="Send it as it is, without a preview.")] = False,
    mention: Mention = None,
    everybody: Everybody = False,
) -> None:
    """Say something in a group, or send a file; done once the server has stored it.

    `@name` in a text calls that member, and `@all` everybody where you may. A lost connection is made again and nothing
    is sent twice. With `-` each line of standard input is a message, in that order; empty lines are left out.
    """
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        call = await calling(client, group, mention, everybody=everybody)
        if file:
            from chatsrv.cli.commands.media import upload

            words = caption or text or ""
            for path in file:
                media_id = await upload(here.out, client, path, kind="file" if as_file else "")
                _acked(
                    here.out, group, await client.group(group.group_id).send_media(media_id, words, **await call(words))
                )
                words = ""
            return
        if text is not None and text != "-":
            _acked(here.out, group, await client.group(group.group_id).send(text, **await call(text)))
            return
        if await _send_lines(here.out, client, group, call):
            raise Failure("not every line was sent", code="message_refused")


async def calling(client: "Client", group: "Group", names: list[str] | None, *, everybody: bool) -> Call:
    """Return what a text has to be sent with: the people named by options, and those whom it names itself. Raises Failure."""
    from chatsrv.cli.lookup import find_people
    from chatsrv.cli.mentions import resolve_mentions

    people = await find_people(client, names) if names else []

    async def call(text: str) -> Mentions:
        called, all_of_them = await resolve_mentions(client, group.group_id, text)
        mentions = dict.fromkeys([*(person.user_id for person in people), *called])
        return {"mentions": tuple(mentions), "mention_all": everybody or all_of_them}

    return call


def _acked(out: "Output", group: "Group", sent: "Sent") -> None:
    from chatsrv.cli.events import record_of

    if out.json:
        out.record(record_of(sent))
    else:
        out.line(f"#{sent.seq} in '{group.name}'")


async def _send_lines(out: "Output", client: "Client", group: "Group", call: Call) -> int:
    """Send every line of standard input, one after the other; return how many were refused."""
    import trio

    from chatsrv.client import RequestRefused

    number, refused = 0, 0
    async with aclosing(stdin_lines()) as lines:
        async for line in lines:
            number += 1
            while line.strip():
                try:
                    _acked(out, group, await client.group(group.group_id).send(line, **await call(line)))
                except RequestRefused as refusal:
                    if refusal.code == "rate_limited":
                        await trio.sleep(max(refusal.retry_after, 1.0))
                        continue
                    refused += 1
                    out.note(f"chatsrv: line {number}: {refusal.message}")
                    if refusal.code not in GO_ON:
                        raise
                break
    return refused


async def history(
    here: CommandContext,
    which: GroupName,
    after: Annotated[int | None, Option("--after", metavar="N", min=0, help="Only what came after #N.")] = None,
    before: Annotated[int | None, Option("--before", metavar="N", min=1, help="Only what came before #N.")] = None,
    limit: Annotated[int | None, Option("--limit", metavar="N", min=1, help="At most so many events.")] = None,
) -> None:
    """Show what was said in a group, oldest first.

    With --limit the latest ones, or with --after those that follow it.
    """
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        if limit is not None and after is None:
            for event in await _newest(client, group.group_id, before or 0, limit):
                show(here.out, event)
            return
        async with aclosing(_range(client, group.group_id, after or 0, before or 0, limit)) as events:
            async for event in events:
                show(here.out, event)


async def _range(
    client: "Client", group_id: int, after: int, before: int, limit: int | None
) -> "AsyncGenerator[SequenceEvent]":
    """Yield events upwards from `after`, page by page."""
    left = math.inf if limit is None else limit
    while left:
        events, page = await client.group(group_id).history(after=after, before=before, limit=int(min(left, PAGE)))
        for event in events:
            yield event
        left -= len(events)
        if not page.more or not events:
            return
        after = page.last


async def _newest(client: "Client", group_id: int, before: int, limit: int) -> "list[SequenceEvent]":
    """Yield the last `limit` events below `before`, in rising order."""
    found: list[SequenceEvent] = []
    while len(found) < limit:
        wanted = min(limit - len(found), PAGE)
        events, page = await client.group(group_id).history(before=before, limit=wanted, newest=True)
        found[:0] = events
        if not page.more or not events:
            break
        before = page.first
    return found


def show(out: "Output", event: "SequenceEvent", where: str = "") -> None:
    """Print one event of a group, for a program or a person."""
    from chatsrv.cli.events import clock, event_record, sentence_of
    from chatsrv_protocol import UnknownEvent

    if out.json:
        out.record(event_record(event))
        return
    who, what, notice = sentence_of(event)
    when = clock(event.sent_at) if not isinstance(event, UnknownEvent) else ""
    out.spoken(f"#{event.seq} {when}", who, what, where=where, notice=notice)


async def stdin_lines() -> "AsyncGenerator[str]":
    """Yield the lines of standard input without their ends; bytes that are not UTF-8 become replacement characters."""
    import codecs

    import trio

    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    while data := await trio.to_thread.run_sync(os.read, sys.stdin.fileno(), READ_BYTES, abandon_on_cancel=True):
        *lines, rest = (rest + decoder.decode(data)).split("\n")
        for line in lines:
            yield line.removesuffix("\r")
    if rest or decoder.getstate()[0]:
        yield (rest + decoder.decode(b"", final=True)).removesuffix("\r")
