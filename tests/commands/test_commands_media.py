"""Media in messages: who may send, see and fetch them, and when that ends."""

import time

import support.media_files
import support.server_kit
from support.http_kit import Person, open_http

from chatsrv_protocol.conversation import Forward, Recall
from chatsrv_protocol.governing import BanUser
from chatsrv_protocol.groups import Group, RemoveMember, ShowGroup
from chatsrv_protocol.media import (
    AvatarSet,
    DeleteMedium,
    ListMedia,
    MediaUrl,
    OwnMediaUsage,
    SendMedia,
    SetAvatar,
    ShowMediaUsage,
)
from chatsrv_protocol.messages import FILE, IMAGE, Message, SendExtra, Sent
from chatsrv_protocol.presence import GetProfiles, ProfileChanged, SetProfile
from chatsrv_storage.messages import media


def client_id() -> bytes:
    return support.server_kit.client_id(time.time_ns() // 1_000_000)


async def send(person: Person, group_id: int, media_id: int, caption: str = "") -> Sent:
    return await person.chat.ask(SendMedia(client_id(), group_id, media_id, caption))


async def may_fetch(person: Person, media_id: int) -> bool:
    status = (await person.get(f"/media/{media_id}")).status_code
    assert status in (200, 404)
    return status == 200


async def listed(person: Person, group_id: int, **asked: int) -> list[Message]:
    request_id = await person.chat.start(ListMedia(group_id, **asked))
    await person.chat.answer(request_id)
    return person.chat.streamed.pop(request_id, [])


async def test_it_is_for_those_who_may_read_the_message() -> None:
    async with open_http("ann", "bob", "eve", "dan") as (_, ann, bob, eve, dan):
        group_id = await ann.chat.make_group("g", bob.chat, history=False)
        media_id = await ann.medium(support.media_files.picture())
        assert await may_fetch(ann, media_id)
        assert not await may_fetch(bob, media_id), "it stands nowhere yet"
        assert await bob.chat.refused(SendMedia(client_id(), group_id, media_id)) == "media_unknown"
        sent = await send(ann, group_id, media_id, "hi")
        event = await bob.chat.event(Message)
        assert (event.kind, event.text, event.ordinal) == (IMAGE, "hi", sent.ordinal)
        assert event.media is not None
        assert await may_fetch(bob, media_id)
        assert not await may_fetch(eve, media_id)
        assert await eve.chat.refused(MediaUrl(media_id)) == "media_unknown"
        assert await eve.chat.refused(SendMedia(client_id(), group_id, media_id)) == "group_unknown"
        await ann.chat.add(group_id, dan.chat)
        assert not await may_fetch(dan, media_id), "from before their history"
        assert await listed(dan, group_id) == []
        assert [message.media.id for message in await listed(bob, group_id) if message.media] == [media_id]
        url = (await bob.chat.ask(MediaUrl(media_id))).url
        assert (await bob.http.get(url)).status_code == 200
        await ann.chat.ask(RemoveMember(client_id(), group_id, bob.user_id))
        assert not await may_fetch(bob, media_id)
        assert (await bob.http.get(url)).status_code == 404, "a signed URL gives no right"
        assert await bob.chat.refused(ListMedia(group_id)) == "group_unknown"


async def test_recall_ends_it_and_a_forward_goes_on() -> None:
    async with open_http("ann", "bob", "eve") as (_, ann, bob, eve):
        first = await ann.chat.make_group("first", bob.chat)
        second = await bob.chat.make_group("second", eve.chat)
        media_id = await ann.medium(b"a file", "notes.txt")
        sent = await send(ann, first, media_id)
        await bob.chat.ask(Forward(client_id(), second, first, sent.seq))
        assert await may_fetch(eve, media_id)
        forwarded = await eve.chat.event(Message)
        assert (forwarded.kind, forwarded.media.name if forwarded.media else "") == (FILE, "notes.txt")
        await send(bob, second, media_id, "once more, as one of those who may see it")
        await ann.chat.ask(Recall(client_id(), first, sent.seq))
        messages = [event for event in await bob.chat.history(first) if isinstance(event, Message)]
        assert [(message.media, message.extra.recalled) for message in messages if message.extra] == [(None, True)]
        assert await listed(bob, first) == []
        assert await may_fetch(bob, media_id), "by the other group"
        await bob.chat.ask(BanUser(client_id(), second, eve.user_id))
        assert not await may_fetch(eve, media_id)
        assert await may_fetch(ann, media_id), "her own"


async def test_a_retry_has_one_effect_and_extras_count() -> None:
    async with open_http("ann", "bob") as (_, ann, bob):
        group_id = await ann.chat.make_group("g", bob.chat)
        media_id = await ann.medium(b"x")
        command = SendMedia(client_id(), group_id, media_id, "c", SendExtra(mentions=(bob.user_id,)))
        first = await ann.chat.ask(command)
        assert await ann.chat.ask(command) == first
        assert len(await listed(ann, group_id)) == 1
        shown: Group = (await bob.chat.ask(ShowGroup(group_id))).group
        assert (shown.ordinal - shown.read_ordinal, shown.mentions) == (1, 1)
        for _ in range(4):
            await send(ann, group_id, media_id)
        latest = await listed(bob, group_id, limit=2)
        assert [message.seq for message in latest] == [first.seq + 4, first.seq + 3]
        rest = await listed(bob, group_id, before=latest[-1].seq)
        assert [message.seq for message in rest] == [first.seq + 2, first.seq + 1, first.seq]


async def test_the_picture_of_a_group() -> None:
    async with open_http("ann", "bob", "eve") as (_, ann, bob, eve):
        group_id = await ann.chat.make_group("g", bob.chat)
        picture, other = await ann.medium(support.media_files.picture()), await ann.medium(b"text")
        assert await ann.chat.refused(SetAvatar(client_id(), group_id, other)) == "not_a_picture"
        assert await bob.chat.refused(SetAvatar(client_id(), group_id, picture)) == "forbidden"
        assert await ann.chat.refused(SetAvatar(client_id(), group_id, 12345)) == "media_unknown"
        await ann.chat.ask(SetAvatar(client_id(), group_id, picture))
        assert (await bob.chat.event(AvatarSet)).media_id == picture
        assert (await bob.chat.ask(ShowGroup(group_id))).group.avatar == picture
        assert await may_fetch(bob, picture)
        assert not await may_fetch(eve, picture)
        await ann.chat.ask(SetAvatar(client_id(), group_id, 0))
        assert not await may_fetch(bob, picture)


async def test_a_recalled_picture_is_nobodys_avatar() -> None:
    async with open_http("ann", "bob", "eve") as (_, ann, bob, eve):
        group_id = await ann.chat.make_group("g", bob.chat)
        picture = await ann.medium(support.media_files.picture())
        sent = await send(ann, group_id, picture)
        await bob.chat.event(Message)
        others = await bob.chat.make_group("others", eve.chat)
        assert await bob.chat.refused(SetProfile(avatar=picture)) == "not_a_picture"
        assert await bob.chat.refused(SetAvatar(client_id(), others, picture)) == "not_a_picture"
        mine = (await ann.chat.ask(SetProfile(avatar=picture))).profile.avatar
        assert mine not in (0, picture), "a copy"
        assert (await ann.chat.ask(SetProfile(avatar=mine))).profile.avatar == mine
        await ann.chat.ask(Recall(client_id(), group_id, sent.seq))
        assert await may_fetch(eve, mine)
        assert not await may_fetch(bob, picture)
        assert not await may_fetch(eve, picture)


async def test_what_takes_how_much_of_ones_room() -> None:
    async with open_http("ann", "bob") as (_, ann, bob):
        group_id = await ann.chat.make_group("g", bob.chat)
        small, large = await ann.medium(b"12345", "small.txt"), await ann.medium(b"x" * 50, "large.txt")
        again = await ann.medium(b"x" * 50, "again.txt")
        await send(ann, group_id, small)
        await send(bob, group_id, small)
        await ann.chat.ask(SetProfile(avatar=await ann.medium(support.media_files.picture(), "me.png")))
        usage: OwnMediaUsage = await ann.chat.ask(ShowMediaUsage())
        sizes = {each.name: each.size for each in usage.media}
        assert usage.stored == sum(sizes.values()) - sizes["again.txt"], "the same bytes of the same person count once"
        assert (usage.announced, usage.more) == (0, False)
        assert usage.quota > usage.stored
        assert max(sizes, key=lambda name: sizes[name]) == usage.media[0].name == "me.png"
        found = {each.id: (each.name, each.messages, each.avatar, each.copies, each.kind) for each in usage.media}
        assert found[small] == ("small.txt", 2, False, False, FILE)
        assert found[large] == ("large.txt", 0, False, True, FILE)
        assert found[again] == ("again.txt", 0, False, True, FILE)
        assert [entry for entry in found.values() if entry[2]] == [("me.png", 0, True, False, IMAGE)]
        after = await ann.chat.ask(ShowMediaUsage(usage.media[0].size, usage.media[0].id))
        assert after.media == usage.media[1:]
        assert (await bob.chat.ask(ShowMediaUsage())).media == ()


async def test_a_deleted_upload_is_gone_for_everybody_and_its_messages_stay() -> None:
    async with open_http("ann", "bob", "eve") as (server, ann, bob, eve):
        first = await ann.chat.make_group("first", bob.chat)
        second = await bob.chat.make_group("second", eve.chat)
        medium = await ann.medium(support.media_files.picture(), "beach.png")
        sent = await send(ann, first, medium, "look")
        await bob.chat.ask(Forward(client_id(), second, first, sent.seq))
        url = (await eve.chat.ask(MediaUrl(medium))).url
        assert await bob.chat.refused(DeleteMedium(medium)) == "media_unknown", "he may read it, but it is not his"
        assert await bob.chat.refused(DeleteMedium(12345)) == "media_unknown"

        await ann.chat.ask(DeleteMedium(medium))
        for person in (ann, bob, eve):
            assert not await may_fetch(person, medium)
            assert await person.chat.refused(MediaUrl(medium)) == "media_unknown"
        assert (await eve.http.get(url)).status_code == 404
        for person, group_id, caption in ((ann, first, "look"), (bob, first, "look"), (eve, second, "look")):
            (shown,) = [event for event in await person.chat.history(group_id) if isinstance(event, Message)]
            assert (shown.kind, shown.text, shown.media) == (IMAGE, caption, None)
            assert shown.extra is None or not shown.extra.recalled
            assert [message.media for message in await listed(person, group_id)] == [None]
        assert await bob.chat.refused(Forward(client_id(), second, first, sent.seq)) == "media_unknown"
        assert await ann.chat.refused(SendMedia(client_id(), first, medium)) == "media_unknown"
        assert (await ann.chat.ask(ShowMediaUsage())).media == ()
        await ann.chat.ask(DeleteMedium(medium))
        storage = server.services.storage
        assert await storage.read(media.check) == []
        await ann.chat.ask(Recall(client_id(), first, sent.seq))
        assert await storage.read(media.check) == []
        assert await storage.read(lambda conn: conn.execute("select count(*) from media_thumbnail").fetchone()) == (0,)


async def test_a_deleted_picture_is_no_avatar() -> None:
    async with open_http("ann", "bob") as (_, ann, bob):
        group_id = await ann.chat.make_group("g", bob.chat)
        picture = await ann.medium(support.media_files.picture())
        await ann.chat.ask(SetAvatar(client_id(), group_id, picture))
        await bob.chat.event(AvatarSet)
        await ann.chat.ask(SetProfile(avatar=picture))
        await ann.chat.event(ProfileChanged)
        await ann.chat.ask(DeleteMedium(picture))
        assert (await ann.chat.event(ProfileChanged)).profile.avatar == 0
        assert (await bob.chat.event(AvatarSet)).media_id == 0
        assert (await bob.chat.ask(ShowGroup(group_id))).group.avatar == 0
        assert (await bob.chat.ask(GetProfiles((ann.user_id,)))).profiles[0].avatar == 0


async def test_who_left_deletes_what_they_sent() -> None:
    async with open_http("ann", "bob") as (_, ann, bob):
        group_id = await bob.chat.make_group("g", ann.chat)
        medium = await ann.medium(b"mine", "mine.txt")
        await send(ann, group_id, medium)
        await bob.chat.ask(RemoveMember(client_id(), group_id, ann.user_id))
        await ann.chat.ask(DeleteMedium(medium))
        assert not await may_fetch(bob, medium)
        assert [message.media for message in await listed(bob, group_id)] == [None]
