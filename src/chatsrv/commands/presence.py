"""Profiles, blocks, who is there and who types. Presence and typing touch no storage but to ask who shares a group."""

from chatsrv.bus import LocalBus, SharedFrames
from chatsrv.clock import Randomness
from chatsrv.commands.context import Request
from chatsrv.commands.registry import handles
from chatsrv.groups.by_name import by_name
from chatsrv.media.ingest import random_id
from chatsrv.presence.typing_notices import TypingNotices
from chatsrv.presence.visibility import Visibility
from chatsrv.presence.watches import PresenceWatches
from chatsrv_protocol import encode
from chatsrv_protocol import presence as wire
from chatsrv_protocol.common import Done
from chatsrv_protocol.session import People, Person
from chatsrv_storage.accounts import profiles
from chatsrv_storage.accounts.accounts import names_of
from chatsrv_storage.accounts.profiles import StoredProfile
from chatsrv_storage.groups.lifecycle import member_ids
from chatsrv_storage.groups.permissions import require_reader
from chatsrv_storage.interface import SqlConnection, Storage
from chatsrv_storage.messages import media

_shown = by_name(StoredProfile, wire.Profile)


def profile_changed(mine: StoredProfile) -> wire.ProfileChanged:
    """Return the event that a user's devices get when the user's own profile changes."""
    return wire.ProfileChanged(_shown(mine), mine.hidden, mine.who_adds)


@handles
async def set_profile(
    request: Request,
    command: wire.SetProfile,
    *,
    storage: Storage,
    randomness: Randomness,
    visibility: Visibility,
    bus: LocalBus,
) -> wire.MyProfile:
    """Change my profile, and tell my devices."""
    user_id = request.caller.actor.user_id
    if command == wire.SetProfile():
        (mine,) = await request.read(lambda conn: profiles.profiles(conn, [user_id]))
        return wire.MyProfile(_shown(mine), mine.hidden, mine.who_adds)

    copy_id, now_ms = random_id(randomness), request.now_ms

    def change(conn: SqlConnection) -> StoredProfile:
        avatar = command.avatar
        if avatar and avatar != profiles.profiles(conn, [user_id])[0].avatar:
            avatar = media.own_picture(conn, user_id, avatar, copy_id, now_ms)
        return profiles.set_profile(
            conn, user_id, command.nickname, avatar, command.hidden, command.who_adds, now_ms=now_ms
        )

    mine = await storage.write(change)
    if command.hidden is not None:
        visibility.hide(user_id, mine.hidden)
    bus.publish_to_user(user_id, SharedFrames(encode(profile_changed(mine)), 1))
    return wire.MyProfile(_shown(mine), mine.hidden, mine.who_adds)


@handles
async def get_profiles(request: Request, command: wire.GetProfiles) -> wire.Profiles:
    """Return profiles: whole of those who share a group with the caller, of others only the name."""
    user_id = request.caller.actor.user_id
    found = await request.read(lambda conn: profiles.shown_to(conn, user_id, command.people))
    return wire.Profiles(tuple([_shown(each) for each in found]))


@handles
async def block(
    request: Request, command: wire.Block, *, storage: Storage, visibility: Visibility, bus: LocalBus
) -> Done:
    """Block somebody or let them again, and tell my devices."""
    user_id = request.caller.actor.user_id
    name, changed = await storage.write(lambda conn: profiles.block(conn, user_id, command.user_id, command.on))
    if changed:
        visibility.block_changed(user_id, command.user_id, command.on)
        event = wire.BlockChanged(Person(command.user_id, name), command.on)
        bus.publish_to_user(user_id, SharedFrames(encode(event), 1))
    return Done()


@handles
async def list_blocked(request: Request, command: wire.ListBlocked) -> People:
    """Return the users whom the caller blocks."""
    del command
    user_id = request.caller.actor.user_id
    rows = await request.read(lambda conn: profiles.blocked(conn, user_id))
    return People(tuple([Person(*row) for row in rows]))


@handles
async def watch_presence(request: Request, command: wire.WatchPresence, *, watches: PresenceWatches) -> wire.Presences:
    """Tell this connection about these people."""
    return wire.Presences(tuple(await watches.watch(request.caller.subscriber, command.people)))


@handles
async def who_is_here(request: Request, command: wire.WhoIsHere, *, visibility: Visibility, bus: LocalBus) -> wire.Here:
    """Return the members who are online."""
    user_id, group_id = request.caller.actor.user_id, command.group_id
    elsewhere, here_now = bus.has_elsewhere, visibility.online_members(group_id, user_id)

    def look(conn: SqlConnection) -> tuple[list[int], dict[int, str]]:
        require_reader(conn, user_id, group_id)
        online = visibility.online_of(member_ids(conn, group_id), user_id) if elsewhere else here_now
        away = profiles.blocking(conn, user_id, online)
        here = [each for each in online if each not in away]
        return here, names_of(conn, here[: wire.MAX_HERE])

    here, names = await request.read(look)
    return wire.Here(tuple([Person(each, names[each]) for each in here if each in names]), len(here))


@handles
async def typing(request: Request, command: wire.Typing, *, bus: LocalBus, typing_notices: TypingNotices) -> Done:
    """Tell the others in a group, if nothing better is to be told them. Who hears a group is in it: no look is needed."""
    actor, group_id = request.caller.actor, command.group_id
    if not bus.hears(actor.user_id, group_id):
        await request.read(lambda conn: require_reader(conn, actor.user_id, group_id))
    typing_notices.typing(actor.user_id, actor.name, group_id)
    return Done()
