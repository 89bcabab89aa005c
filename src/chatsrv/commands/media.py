"""Media in messages: sending what was uploaded, listing it, where it is fetched, and the pictures of groups."""

from chatsrv.clock import Randomness
from chatsrv.commands.context import Request
from chatsrv.commands.paging import before_or_end
from chatsrv.commands.registry import handles
from chatsrv.groups.wire import event_of
from chatsrv.media.ingest import random_id
from chatsrv.media.library import Library
from chatsrv_protocol import limits
from chatsrv_protocol import media as wire
from chatsrv_protocol.groups import Changed
from chatsrv_protocol.messages import SendExtra, Sent
from chatsrv_storage.errors import Refusal
from chatsrv_storage.messages import media
from chatsrv_storage.messages.edits import say


@handles
async def send_media(request: Request, command: wire.SendMedia) -> Sent:
    """A message with a medium."""
    extra = command.extra or SendExtra()
    script = say(
        command.caption,
        extra.reply_to,
        extra.mentions,
        mention_all=extra.mention_all,
        media_id=command.media_id,
        keep_excerpt=extra.keep_excerpt,
    )
    return Sent(*await request.change(command.group_id, command, script))


@handles
async def media_url(request: Request, command: wire.MediaUrl, *, library: Library | None) -> wire.MediaUrls:
    """Signed URLs: rights are checked now, and again at every fetch through this server."""
    if library is None:
        raise Refusal("media_off", "this server takes no media: it has no HTTP address")
    actor = request.caller.actor
    medium = await library.readable(actor.user_id, command.media_id)
    return wire.MediaUrls(*library.urls(medium, actor.user_id, request.caller.session_id))


@handles
async def list_media(request: Request, command: wire.ListMedia) -> wire.MediaPage:
    """A page of a group's media."""
    user_id = request.caller.actor.user_id
    records, more = await request.read(
        lambda conn: media.listed(
            conn, user_id, command.group_id, before_or_end(command.before), command.limit, limits.MAX_PAGE_BYTES
        )
    )
    request.stream_events([event_of(record) for record in records])
    return wire.MediaPage(records[-1].seq if records else 0, more)


@handles
async def set_avatar(request: Request, command: wire.SetAvatar, *, randomness: Randomness) -> Changed:
    """Another picture of a group."""
    script = media.set_avatar(command.media_id, random_id(randomness))
    return Changed(*await request.change(command.group_id, command, script))
