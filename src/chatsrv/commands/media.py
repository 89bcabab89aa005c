"""Media in messages: sending what was uploaded, listing it, where it is fetched, and the pictures of groups; own uploads."""

from chatsrv.bus import LocalBus, SharedFrames
from chatsrv.clock import Randomness
from chatsrv.commands.context import Request
from chatsrv.commands.paging import before_or_end
from chatsrv.commands.presence import profile_changed
from chatsrv.commands.registry import handles
from chatsrv.groups import Channels
from chatsrv.groups.wire import event_of
from chatsrv.groups.wire_conversation import KINDS, sent_of
from chatsrv.media.ingest import random_id
from chatsrv.media.library import Library
from chatsrv_protocol import encode, limits
from chatsrv_protocol import media as wire
from chatsrv_protocol.common import Done
from chatsrv_protocol.groups import Changed
from chatsrv_protocol.messages import SendExtra, Sent
from chatsrv_storage.accounts import profiles
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.transaction import Command
from chatsrv_storage.interface import Storage
from chatsrv_storage.messages import media, own_media
from chatsrv_storage.messages.edits import say


@handles
async def send_media(request: Request, command: wire.SendMedia) -> Sent:
    """Send a message with a medium."""
    extra = command.extra or SendExtra()
    script = say(
        command.caption,
        extra.reply_to,
        extra.mentions,
        mention_all=extra.mention_all,
        media_id=command.media_id,
        keep_excerpt=extra.keep_excerpt,
    )
    return sent_of(await request.change(command.group_id, command, script))


def _media_off() -> Refusal:
    return Refusal("media_off", "this server takes no media: it has no HTTP address")


@handles
async def media_url(request: Request, command: wire.MediaUrl, *, library: Library | None) -> wire.MediaUrls:
    """Return signed URLs: permissions are checked now, and again at every fetch through this server."""
    if library is None:
        raise _media_off()
    actor = request.caller.actor
    medium = await library.readable(actor.user_id, command.media_id)
    return wire.MediaUrls(*library.urls(medium, actor.user_id, request.caller.session_id))


@handles
async def list_media(request: Request, command: wire.ListMedia) -> wire.MediaPage:
    """Return a page of a group's media."""
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
    """Set the avatar of a group."""
    script = media.set_avatar(command.media_id, random_id(randomness))
    return Changed(*await request.change(command.group_id, command, script))


@handles
async def show_media_usage(
    request: Request, command: wire.ShowMediaUsage, *, library: Library | None
) -> wire.OwnMediaUsage:
    """Return how much of the quota the caller has taken, and a page of the uploads."""
    if library is None:
        raise _media_off()
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    before = (command.size, command.before) if command.before else None
    found = await request.read(lambda conn: own_media.usage(conn, user_id, now_ms, before, wire.OWN_PAGE))
    page = tuple(
        wire.OwnMedium(
            each.id, KINDS[each.kind], each.mime, each.size, each.name,
            each.created_at, each.messages, each.is_picture, each.has_copies,
        )
        for each in found.page
    )  # fmt: skip
    return wire.OwnMediaUsage(library.limits.quota, found.stored, found.announced, page, found.more)


@handles
async def delete_medium(
    request: Request, command: wire.DeleteMedium, *, storage: Storage, channels: Channels, bus: LocalBus
) -> Done:
    """Delete one of the caller's uploads, first for everybody who might fetch it, then where it is somebody's picture."""
    actor, now_ms = request.caller.actor, request.now_ms
    media_id = command.media_id
    was_avatar, group_ids = await storage.write(lambda conn: own_media.delete(conn, actor.user_id, media_id, now_ms))
    if was_avatar:
        (mine,) = await request.read(lambda conn: profiles.profiles(conn, [actor.user_id]))
        bus.publish_to_user(actor.user_id, SharedFrames(encode(profile_changed(mine)), 1))
    for group_id in group_ids:
        await channels.run(group_id, Command(actor, None, own_media.clear_avatar(media_id)))
    return Done()
