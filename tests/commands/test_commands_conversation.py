"""What happens to messages after they are said, through the whole server: who may, what everybody sees, what is left."""

import attrs
import pytest
import trio
import trio.testing
from support.server_kit import Client, client_id, connect, enter

from chatsrv.groups import deliveries
from chatsrv.groups.deliveries import FLUSH_INTERVAL_SECONDS
from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol import conversation as wire
from chatsrv_protocol.governing import SetRole
from chatsrv_protocol.groups import ROLE_ADMIN, RemoveMember, ShowGroup
from chatsrv_protocol.messages import Message, Quote, Send, SendExtra
from chatsrv_protocol.presence import SetProfile
from chatsrv_protocol.sync import ListGroups, MarkRead, Range

BRIEF = attrs.evolve(QUICK, edit_within=20, recall_within=20)


async def reply(client, group_id, of, text="yes", mentions=(), mention_all=False):
    return await client.ask(Send(client_id(), group_id, text, SendExtra(of, tuple(mentions), mention_all)))


async def shown(client, group_id):
    return (await client.ask(ShowGroup(group_id))).group


async def found(client: Client, query, group_id=0, **more):
    """Wait for the index, then search: (texts, the closing reply)."""
    await trio.sleep(2)
    request_id = await client.start(wire.Search(query, group_id, **more))
    closing = await client.answer(request_id)
    return [event.text for event in client.streamed.pop(request_id, [])], closing


async def test_a_reply_carries_what_it_answers(autojump_clock):
    async with open_test_server() as server:
        ann, bo = await enter(server, "ann", "bo")
        group_id = await ann.make_group("home", bo)
        first = await ann.say(group_id, "红包?" + "x" * 300)
        await bo.settle()
        sent = await reply(bo, group_id, first.seq, "sure", [ann.user_id])
        live = await ann.event(Message)
        while live.seq != sent.seq:
            live = await ann.event(Message)
        assert live.extra is not None
        assert live.extra.reply_to == Quote(first.seq, ann.user_id, "ann", ("红包?" + "x" * 300)[:200])
        assert live.extra.mentions == (ann.user_id,)
        assert (await ann.history(group_id))[-1] == live
        assert await bo.refused(Send(client_id(), group_id, "?", SendExtra(999))) == "message_unknown"
        assert await bo.refused(Send(client_id(), group_id, "?", SendExtra(1))) == "message_unknown"  # not a message
        assert await bo.refused(Send(client_id(), group_id, "?", SendExtra(0, (77,)))) == "not_member"
        assert await bo.refused(Send(client_id(), group_id, " ", SendExtra(first.seq))) == "text_empty"


async def test_what_was_said_before_one_came_is_out_of_reach_but_what_others_choose_to_quote(autojump_clock):
    async with open_test_server() as server:
        ann, bo = await enter(server, "ann", "bo")
        group_id = await ann.make_group("home", history=False)
        first = (await ann.say(group_id, "secret plan")).seq
        await ann.ask(wire.Pin(client_id(), group_id, first))
        await ann.add(group_id, bo)
        await ann.ask(SetRole(client_id(), group_id, bo.user_id, ROLE_ADMIN))
        for command in (
            Send(client_id(), group_id, "?", SendExtra(first)),
            wire.React(client_id(), group_id, first, "👍"),
            wire.Pin(client_id(), group_id, first),
            wire.Recall(client_id(), group_id, first),
            wire.Forward(client_id(), group_id, group_id, first),
            wire.ListReactions(group_id, first),
            wire.ListReceipts(group_id, first),
            wire.ListVersions(group_id, first),
        ):
            assert await bo.refused(command) == "message_unknown", command
        assert (await bo.ask(wire.ListPins(group_id))).pins == ()
        assert (await found(bo, "plan"))[0] == []
        request_id = await bo.start(ListGroups())
        closing = await bo.answer(request_id)
        assert "secret plan" not in str((closing, bo.streamed))
        # Who answers a message shows it to everybody who is there now only by choice.
        await reply(ann, group_id, first, "about this")
        await ann.ask(Send(client_id(), group_id, "about this", SendExtra(first, keep_excerpt=True)))
        closed, kept = (await bo.history(group_id))[-2:]
        assert (closed.extra.reply_to.sender, closed.extra.reply_to.excerpt) == ("", "")
        assert (kept.extra.reply_to.sender, kept.extra.reply_to.excerpt) == ("ann", "secret plan")


async def test_an_edit_is_what_everybody_finds(autojump_clock):
    async with open_test_server(BRIEF) as server:
        ann, bo = await enter(server, "ann", "bo")
        group_id = await ann.make_group("home", bo)
        first = await ann.say(group_id, "helo")
        await reply(bo, group_id, first.seq)
        command = wire.Edit(client_id(), group_id, first.seq, "hello")
        changed = await ann.ask(command)
        assert await ann.ask(command) == changed, "a retry has one effect"
        live = await bo.event(wire.Edited)
        assert (live.of, live.text, live.edited_seq, live.seq) == (first.seq, "hello", changed.seq, changed.seq)
        _, message, quoting, edited = await ann.history(group_id)
        assert edited == live
        assert (message.text, message.extra.edited_seq) == ("hello", changed.seq)
        assert quoting.extra.reply_to.excerpt == "hello"
        again = await ann.ask(wire.Edit(client_id(), group_id, first.seq, "hello!"))
        events = await ann.history(group_id)
        assert [event.text for event in events if isinstance(event, wire.Edited)] == ["hello!", "hello!"]
        assert events[-1].edited_seq == again.seq
        assert await bo.refused(wire.Edit(client_id(), group_id, first.seq, "mine")) == "forbidden"
        assert await ann.refused(wire.Edit(client_id(), group_id, first.seq, " ")) == "text_empty"
        versions = await ann.ask(wire.ListVersions(group_id, first.seq))
        assert [version.text for version in versions.versions] == ["helo", "hello"]
        assert await bo.refused(wire.ListVersions(group_id, first.seq)) == "forbidden"
        await trio.sleep(21)
        assert await ann.refused(wire.Edit(client_id(server.clock.now_ms()), group_id, first.seq, "late")) == "too_late"


async def test_who_may_recall_what(autojump_clock):
    async with open_test_server(BRIEF) as server:
        ann, bo, cy = await enter(server, "ann", "bo", "cy")
        group_id = await ann.make_group("home", bo, cy)
        mine, theirs = await bo.say(group_id, "one"), await ann.say(group_id, "two")
        await ann.ask(SetRole(client_id(), group_id, cy.user_id, ROLE_ADMIN))
        assert await bo.refused(wire.Recall(client_id(), group_id, theirs.seq)) == "forbidden"
        assert await cy.refused(wire.Recall(client_id(), group_id, theirs.seq)) == "forbidden"
        late = await bo.say(group_id, "three")
        await bo.ask(wire.Recall(client_id(), group_id, mine.seq))
        assert (await ann.event(wire.Recalled)).of == mine.seq
        assert await bo.refused(wire.Recall(client_id(), group_id, mine.seq)) == "message_unknown"
        assert await bo.refused(wire.Edit(client_id(), group_id, mine.seq, "x")) == "message_unknown"
        assert await bo.refused(wire.React(client_id(), group_id, mine.seq, "👍")) == "message_unknown"
        assert await bo.refused(Send(client_id(), group_id, "?", SendExtra(mine.seq))) == "message_unknown"
        await trio.sleep(21)
        now = server.clock.now_ms()
        assert await bo.refused(wire.Recall(client_id(now), group_id, late.seq)) == "too_late"
        await cy.ask(wire.Recall(client_id(now), group_id, late.seq))
        [message] = [event for event in await bo.history(group_id) if event.seq == late.seq]
        assert message.text == ""
        assert message.extra.recalled
        assert (await shown(bo, group_id)).last.recalled


async def test_reactions_come_and_go(autojump_clock):
    async with open_test_server() as server:
        ann, bo = await enter(server, "ann", "bo")
        group_id = await ann.make_group("home", bo)
        of = (await ann.say(group_id, "red packets for all")).seq
        on = await bo.ask(wire.React(client_id(), group_id, of, "🧧"))
        assert (await bo.ask(wire.React(client_id(), group_id, of, "🧧"))).seq == 0
        await ann.ask(wire.React(client_id(), group_id, of, "👍"))
        event = await ann.event(wire.Reacted)
        assert (event.of, event.sender, event.emoji, event.on) == (of, "bo", "🧧", True)
        listed = await ann.ask(wire.ListReactions(group_id, of))
        assert [(one.name, one.emoji) for one in listed.reactions] == [("bo", "🧧"), ("ann", "👍")]
        assert len((await ann.ask(wire.ListReactions(group_id, of, on.seq))).reactions) == 1
        await bo.ask(wire.React(client_id(), group_id, of, "🧧", on=False))
        assert (await bo.ask(wire.React(client_id(), group_id, of, "🧧", on=False))).seq == 0
        assert len((await ann.ask(wire.ListReactions(group_id, of))).reactions) == 1
        for emoji in "abcdefgh":
            await bo.ask(wire.React(client_id(), group_id, of, emoji))
        assert await bo.refused(wire.React(client_id(), group_id, of, "i")) == "too_many"
        assert await bo.refused(wire.React(client_id(), group_id, of, "a b")) == "bad_field"
        assert (await shown(ann, group_id)).ordinal == 1, "reactions are not unread"


async def test_pins_are_a_right(autojump_clock):
    async with open_test_server() as server:
        ann, bo = await enter(server, "ann", "bo")
        group_id = await ann.make_group("home", bo)
        one, two = (await bo.say(group_id, "one")).seq, (await bo.say(group_id, "two")).seq
        assert await bo.refused(wire.Pin(client_id(), group_id, one)) == "forbidden"
        await ann.ask(wire.Pin(client_id(), group_id, one))
        await ann.ask(wire.Pin(client_id(), group_id, two))
        assert (await bo.event(wire.Pinned)).of == one
        pins = (await bo.ask(wire.ListPins(group_id))).pins
        assert [(pin.of, pin.excerpt, pin.sender, pin.pinned_by) for pin in pins] == [
            (two, "two", "bo", "ann"),
            (one, "one", "bo", "ann"),
        ]
        await ann.ask(wire.Pin(client_id(), group_id, one, on=False))
        await bo.ask(wire.Recall(client_id(), group_id, two))
        assert (await bo.ask(wire.ListPins(group_id))).pins == ()


async def test_a_forward_is_a_copy_of_what_one_may_read(autojump_clock):
    async with open_test_server() as server:
        ann, bo, cy = await enter(server, "ann", "bo", "cy")
        here = await ann.make_group("here", bo)
        there = await bo.make_group("there", cy)
        first = await ann.say(here, "pass it on")
        sent = await bo.ask(wire.Forward(client_id(), there, here, first.seq))
        message = await cy.event(Message)
        assert (message.text, message.sender, message.seq) == ("pass it on", "bo", sent.seq)
        assert message.extra is not None
        assert message.extra.forwarded is not None
        assert message.extra.forwarded.sender == "ann"
        assert await cy.refused(wire.Forward(client_id(), there, here, first.seq)) == "group_unknown"
        assert await ann.refused(wire.Forward(client_id(), there, here, first.seq)) == "group_unknown"
        assert await bo.refused(wire.Forward(client_id(), there, here, 1)) == "message_unknown"
        assert await bo.refused(wire.Edit(client_id(), there, sent.seq, "he said")) == "forbidden"
        again = await cy.ask(wire.Forward(client_id(), there, there, sent.seq))
        [copy] = [event for event in await bo.history(there) if event.seq == again.seq]
        assert copy.extra.forwarded.sender == "ann"


async def test_the_list_counts_mentions_and_shows_the_last_message(autojump_clock):
    async with open_test_server() as server:
        ann, bo = await enter(server, "ann", "bo")
        group_id = await ann.make_group("home", bo)
        await ann.say(group_id, "hi")
        sent = await reply(ann, group_id, 0, "bo?", [bo.user_id, ann.user_id])
        await reply(ann, group_id, 0, "everybody!", [bo.user_id], mention_all=True)
        assert await bo.refused(Send(client_id(), group_id, "all", SendExtra(0, (), True))) == "forbidden"
        await ann.ask(wire.React(client_id(), group_id, sent.seq, "👍"))
        [group] = (await bo.ask(ListGroups())).groups
        assert (group.mentions, group.ordinal - group.read_ordinal) == (2, 3)
        assert (group.last.text, group.last.sender) == ("everybody!", "ann")
        await bo.ask(MarkRead(group_id, sent.seq))
        assert (await shown(bo, group_id)).mentions == 1
        await ann.ask(wire.Recall(client_id(), group_id, group.last.seq))
        assert (await shown(bo, group_id)).mentions == 0
        assert (await shown(ann, group_id)).mentions == 0


async def test_an_edit_changes_whom_a_message_calls(autojump_clock):
    async with open_test_server() as server:
        ann, bo, cy, dan = await enter(server, "ann", "bo", "cy", "dan")
        group_id = await ann.make_group("home", bo, cy)

        async def edit(of, mentions=None, mention_all=None, by=ann):
            return await by.ask(wire.Edit(client_id(), group_id, of, "other words", mentions, mention_all))

        async def called():
            return [(await shown(who, group_id)).mentions for who in (bo, cy)]

        sent = await reply(ann, group_id, 0, "hello", [cy.user_id])
        await bo.ask(MarkRead(group_id, sent.seq))
        await edit(sent.seq)
        assert await called() == [0, 1], "nil leaves it as it is"
        first = await edit(sent.seq, (bo.user_id,))
        assert await called() == [1, 0], "bo had read it, and is called; cy is not any more"
        await edit(sent.seq, (bo.user_id, cy.user_id))
        assert await called() == [1, 1]
        edited = (await cy.history(group_id))[-1]
        assert (edited.mentions, edited.mention_all) == ((bo.user_id, cy.user_id), False)
        message = (await cy.history(group_id))[1]
        assert message.extra.mentions == edited.mentions
        await bo.ask(MarkRead(group_id, first.seq))
        await edit(sent.seq, (bo.user_id, cy.user_id))
        assert await called() == [0, 1], "nobody is called twice"
        await edit(sent.seq, (), mention_all=True)
        assert await called() == [1, 1]
        assert (await cy.history(group_id))[-1].mention_all
        await edit(sent.seq, (bo.user_id,), mention_all=False)
        assert await called() == [1, 0]
        await ann.ask(wire.Recall(client_id(), group_id, sent.seq))
        assert await called() == [0, 0]
        events = await cy.history(group_id)
        assert {event.mentions for event in events if isinstance(event, wire.Edited)} == {()}

        mine = await bo.say(group_id, "mine")
        refused = wire.Edit(client_id(), group_id, mine.seq, "x", None, True)
        assert await bo.refused(refused) == "forbidden"
        refused = wire.Edit(client_id(), group_id, mine.seq, "x", (dan.user_id,))
        assert await bo.refused(refused) == "not_member"
        assert (await bo.history(group_id))[-1].text == "mine"


async def test_quiet_is_told_to_my_other_devices(autojump_clock):
    async with open_test_server() as server:
        ann, bo = await enter(server, "ann", "bo")
        phone = await (await connect(server)).login("bo")
        group_id = await ann.make_group("home", bo)
        await bo.ask(wire.SetQuiet(group_id, True))
        told = await phone.event(wire.QuietSet)
        assert (told.group_id, told.quiet) == (group_id, True)
        assert (await phone.ask(ListGroups())).user_version == told.user_version
        assert (await shown(phone, group_id)).quiet
        assert not (await shown(ann, group_id)).quiet


async def test_a_delivered_is_answered_once_it_is_stored_with_those_of_others(autojump_clock):
    async with open_test_server() as server:
        ann, bo, cy = await enter(server, "ann", "bo", "cy")
        group_id = await ann.make_group("home", bo, cy)
        of = (await ann.say(group_id, "who has it?")).seq
        answered: list[float] = []

        async def tell(device, seq):
            await device.ask(wire.Delivered((Range(group_id, seq),)))
            answered.append(trio.current_time())

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell, bo, of)
            await trio.sleep(0.4)
            nursery.start_soon(tell, cy, of)
        assert answered[0] == answered[1] <= began + 2 * FLUSH_INTERVAL_SECONDS
        assert (await ann.ask(wire.ListReceipts(group_id, of))).delivered == 2


async def test_who_brings_more_marks_than_may_wait_is_asked_to_come_again(autojump_clock, monkeypatch):
    monkeypatch.setattr(deliveries, "MAX_WAITING", 1)
    async with open_test_server() as server:
        ann, bo, cy = await enter(server, "ann", "bo", "cy")
        group_id = await ann.make_group("home", bo, cy)
        said = wire.Delivered((Range(group_id, 1),))
        first = await bo.start(said)
        await trio.testing.wait_all_tasks_blocked()
        assert await cy.refused(said) == "server_busy"
        await bo.answer(first)
        await cy.ask(said)


async def test_receipts_follow_the_cursors(autojump_clock):
    async with open_test_server() as server:
        ann, bo, cy, dan, eve = await enter(server, "ann", "bo", "cy", "dan", "eve")
        group_id = await ann.make_group("home", bo, cy, dan)
        of = (await ann.say(group_id, "who has it?")).seq
        await ann.add(group_id, eve)
        await bo.ask(MarkRead(group_id, of))
        await cy.ask(wire.Delivered((Range(group_id, 10**9), Range(12345, 1))))
        await eve.ask(wire.Delivered((Range(group_id, of),)))
        receipts = await ann.ask(wire.ListReceipts(group_id, of))
        assert [(one.name, one.read) for one in receipts.receipts] == [("bo", True), ("cy", False)]
        assert (receipts.members, receipts.delivered, receipts.read) == (3, 2, 1)
        assert (await shown(cy, group_id)).delivered_seq == of + 1, "as far as there is something to have"
        assert await bo.refused(wire.ListReceipts(group_id, of)) == "forbidden"
        for hidden in (bo, cy):
            await hidden.ask(SetProfile(hidden=True))
        receipts = await ann.ask(wire.ListReceipts(group_id, of))
        assert receipts.receipts == (), "whoever is hidden shows in no receipt"
        assert (receipts.members, receipts.delivered, receipts.read) == (3, 0, 0)
        late = (await ann.say(group_id, "again")).seq
        assert (await ann.ask(wire.ListReceipts(group_id, late))).members == 4


async def test_search_finds_words_of_both_kinds(autojump_clock):
    async with open_test_server() as server:
        ann, bo, cy = await enter(server, "ann", "bo", "cy")
        group_id = await ann.make_group("home", bo, cy, history=False)
        other = await ann.make_group("other", bo)
        for text in ("大家发红包了", "包红的纸", "Crème brûlée at NINE", "plain", "红包 again"):
            await ann.say(group_id, text)
        elsewhere = await ann.say(other, "红包 elsewhere")
        assert (await found(bo, "红包", group_id))[0] == ["红包 again", "大家发红包了"]
        assert (await found(bo, "红包"))[0] == ["红包 elsewhere", "红包 again", "大家发红包了"]
        assert (await found(bo, "creme nine"))[0] == ["Crème brûlée at NINE"]
        texts, closing = await found(bo, "红包", limit=2)
        assert texts == ["红包 elsewhere", "红包 again"]
        assert closing.more
        texts, closing = await found(bo, "红包", limit=2, before=closing.last)
        assert texts == ["大家发红包了"]
        assert not closing.more
        await ann.ask(wire.Edit(client_id(server.clock.now_ms()), other, elsewhere.seq, "nothing here"))
        assert (await found(bo, "红包", other))[0] == []
        assert (await found(bo, "nothing", other))[0] == ["nothing here"]
        dan = await (await connect(server)).register("dan")
        await ann.add(group_id, dan)
        assert (await found(dan, "红包"))[0] == [], "who came later finds nothing older here"
        await ann.ask(RemoveMember(client_id(server.clock.now_ms()), group_id, cy.user_id))
        assert (await found(cy, "红包"))[0] == []
        assert await cy.refused(wire.Search("红包", group_id)) == "group_unknown"


@pytest.mark.parametrize(
    "query",
    ['"', "NEAR(a b)", "body : x", "a* OR b", "-x", "^a", '" OR "', "{a}", "a\x01b", "(" * 100 + "a", "x " * 99],
)
async def test_no_query_is_syntax(autojump_clock, query):
    async with open_test_server() as server:
        [ann] = await enter(server, "ann")
        await ann.make_group()
        if any(character.isalnum() for character in query):
            assert (await found(ann, query))[0] == []
        else:
            assert await ann.refused(wire.Search(query)) == "query_empty"


async def test_what_was_not_indexed_is_indexed_after_a_restart(autojump_clock, tmp_path):
    config = attrs.evolve(QUICK, data=tmp_path)
    async with open_test_server(config) as server:
        [ann] = await enter(server, "ann")
        group_id = await ann.make_group()
        await ann.say(group_id, "left behind")
    async with open_test_server(config, seed=1) as server:
        ann = await (await connect(server)).login("ann")
        assert (await found(ann, "behind"))[0] == ["left behind"]


@pytest.mark.both_databases
async def test_searches_are_metered(autojump_clock):
    config = attrs.evolve(QUICK, searches_per_second=0.1, search_burst=3)
    async with open_test_server(config) as server:
        ann, bob = await enter(server, "ann", "bob")
        for _ in range(3):
            await ann.ask(wire.Search("word", 0, 0, 10))
        assert await ann.refused(wire.Search("word", 0, 0, 10)) == "rate_limited"
        await bob.ask(wire.Search("word", 0, 0, 10))
        await trio.sleep(11)
        await ann.ask(wire.Search("word", 0, 0, 10))


@pytest.mark.both_databases
async def test_a_user_searches_once_at_a_time(autojump_clock):
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        services = server.server.services
        services.searching.add(ann.user_id)
        assert await ann.refused(wire.Search("word", 0, 0, 10)) == "rate_limited"
        services.searching.clear()
        await ann.ask(wire.Search("word", 0, 0, 10))
        assert not services.searching
