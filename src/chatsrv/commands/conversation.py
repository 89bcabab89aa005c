"""What happens to messages after they are said. Changes run in the group's channel; lists and search only read."""

from chatsrv.commands.context import Deferred, Request
from chatsrv.commands.hooks import Hooks, TextKind
from chatsrv.commands.paging import before_or_end
from chatsrv.commands.registry import handles
from chatsrv.commands.texts import check_text
from chatsrv.config import Config
from chatsrv.groups import Channels
from chatsrv.groups.by_name import by_name
from chatsrv.groups.deliveries import Deliveries
from chatsrv.groups.wire import event_of
from chatsrv.groups.wire_conversation import sent_of
from chatsrv_protocol import ErrorCode, limits, messages
from chatsrv_protocol import conversation as wire
from chatsrv_protocol.common import Done
from chatsrv_protocol.groups import Changed
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.transaction import Command
from chatsrv_storage.messages import edits, reactions_pins, receipts, search

_MAX_VERSIONS_BYTES = 48 * 1024
"""One frame's worth of earlier texts, with room for the rest."""


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


_receipt_of = by_name(receipts.StoredReceipt, wire.Receipt)
_reaction_of = by_name(reactions_pins.StoredReaction, wire.Reaction)
_pin_of = by_name(reactions_pins.StoredPin, wire.PinnedMessage)
_version_of = by_name(edits.StoredVersion, wire.Version)


@handles
async def edit(request: Request, command: wire.Edit, *, config: Config) -> Changed:
    """Replace the text of the caller's own message."""
    within_ms = _milliseconds(config.edit_within)
    script = edits.edit(command.of, command.text, within_ms, command.mentions, mention_all=command.mention_all)
    return Changed(*await request.change(command.group_id, command, script))


@handles
async def recall(request: Request, command: wire.Recall, *, config: Config) -> Changed:
    """Recall a message."""
    script = edits.recall(command.of, _milliseconds(config.recall_within))
    return Changed(*await request.change(command.group_id, command, script))


@handles
async def react(request: Request, command: wire.React) -> Changed:
    """Add or remove a reaction."""
    if command.emoji == wire.HIDDEN_EMOJI:
        raise Refusal("bad_field", "a reaction is one emoji", "emoji")
    script = reactions_pins.react(command.of, command.emoji, on=command.on)
    return Changed(*await request.change(command.group_id, command, script))


@handles
async def pin(request: Request, command: wire.Pin) -> Changed:
    """Pin or unpin a message."""
    return Changed(*await request.change(command.group_id, command, reactions_pins.pin(command.of, on=command.on)))


@handles
async def forward(request: Request, command: wire.Forward, *, hooks: Hooks) -> messages.Sent:
    """Send a copy of a message to another group, whose channel reads the source in its own transaction."""
    if hooks.text is not None:
        user_id = request.caller.actor.user_id
        text = await request.read(lambda conn: edits.text_of(conn, user_id, command.from_group, command.of))
        await check_text(request, TextKind.MESSAGE, text, command.group_id, "of")
    script = edits.forward(command.from_group, command.of)
    return sent_of(await request.change(command.group_id, command, script))


@handles
async def set_quiet(request: Request, command: wire.SetQuiet, *, channels: Channels) -> Done:
    """Set whether the caller counts a group apart: it can be set again, so it needs no client id."""
    change = Command(request.caller.actor, None, receipts.set_quiet(command.quiet))
    await channels.run(command.group_id, change)
    return Done()


@handles
async def delivered(request: Request, command: wire.Delivered, *, deliveries: Deliveries) -> Deferred[Done]:
    """Note it; a background task stores it with others, and answers."""

    def answer(refusal: Refusal | None) -> None:
        request.caller.answer(request.request_id, refusal or Done())

    deliveries.add(request.caller.actor.user_id, [(mark.group_id, mark.after) for mark in command.marks], answer)
    return Deferred()


@handles
async def list_receipts(request: Request, command: wire.ListReceipts) -> wire.Receipts:
    """Return who has a message of the caller's."""
    user_id = request.caller.actor.user_id
    rows, counts = await request.read(
        lambda conn: receipts.receipts(conn, user_id, command.group_id, command.of, command.after, limits.MAX_PAGE + 1)
    )
    page = tuple(map(_receipt_of, rows[: limits.MAX_PAGE]))
    return wire.Receipts(page, len(rows) > limits.MAX_PAGE, counts.members, counts.delivered, counts.read)


@handles
async def list_reactions(request: Request, command: wire.ListReactions) -> wire.Reactions:
    """Return a page of the reactions to a message."""
    user_id = request.caller.actor.user_id
    rows = await request.read(
        lambda conn: reactions_pins.reactions(
            conn, user_id, command.group_id, command.of, command.after, limits.MAX_PAGE + 1
        )
    )
    page = tuple(map(_reaction_of, rows[: limits.MAX_PAGE]))
    return wire.Reactions(page, len(rows) > limits.MAX_PAGE)


@handles
async def list_pins(request: Request, command: wire.ListPins) -> wire.Pins:
    """Return the pinned messages."""
    user_id = request.caller.actor.user_id
    rows = await request.read(lambda conn: reactions_pins.pins(conn, user_id, command.group_id))
    return wire.Pins(tuple(map(_pin_of, rows)))


@handles
async def list_versions(request: Request, command: wire.ListVersions) -> wire.Versions:
    """Return the earlier texts of a message."""
    user_id = request.caller.actor.user_id
    rows, more = await request.read(
        lambda conn: edits.versions(
            conn, user_id, command.group_id, command.of, command.after, limits.MAX_PAGE, _MAX_VERSIONS_BYTES
        )
    )
    return wire.Versions(tuple(map(_version_of, rows)), more)


@handles
async def find(request: Request, command: wire.Search, *, searching: set[int]) -> wire.Found:
    """Search messages by their words; one search at a time for each user, on however many connections."""
    user_id = request.caller.actor.user_id
    if user_id in searching:
        sentence = "another search of yours is not done: wait for it, then retry"
        raise Refusal(ErrorCode.RATE_LIMITED, sentence, retry_after=0.2)
    searching.add(user_id)
    try:
        records, more = await request.search(
            lambda conn: search.find(
                conn,
                user_id,
                command.query,
                command.group_id,
                before_or_end(command.before),
                command.limit,
                limits.MAX_PAGE_BYTES,
            )
        )
    finally:
        searching.discard(user_id)
    request.stream_events([event_of(record) for record in records])
    return wire.Found(records[-1].id if records else 0, more)
