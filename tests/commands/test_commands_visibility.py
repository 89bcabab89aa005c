"""One rule: nothing of a message reaches whom it is not visible to, whatever event or answer speaks of it.

Every event of the wire that points at a message has a row in `ABOUT_A_MESSAGE`, so a new one without an answer to the
question fails. Each is heard and fetched by a member who may read the message and by one who came after it without the
history, and what each of them gets must be the same live and fetched.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
from support.server_kit import Client, client_id, connect, enter

from chatsrv.testing import open_test_server
from chatsrv_protocol import BY_NUMBER, encode
from chatsrv_protocol import conversation as wire
from chatsrv_protocol.groups import AddMembers, SequenceEvent
from chatsrv_protocol.messages import MessageExtra, Quote, Send, SendExtra
from chatsrv_protocol.presence import Block
from chatsrv_protocol.registry import is_event
from chatsrv_protocol.sync import CatchUp, ListGroups, Range

SECRET, LATER, EMOJI = "first-words", "other-words", "👍"

Act = Callable[[Client, Client, int, int], Awaitable[Any]]
"""What brings the event about: (author, newcomer, group, the hidden message's seq)."""


def _edit(ann: Client, bo: Client, group_id: int, of: int) -> Awaitable[Any]:
    return ann.ask(wire.Edit(client_id(), group_id, of, LATER, (bo.user_id,)))


def _recall(ann: Client, _bo: Client, group_id: int, of: int) -> Awaitable[Any]:
    return ann.ask(wire.Recall(client_id(), group_id, of))


def _react(ann: Client, _bo: Client, group_id: int, of: int) -> Awaitable[Any]:
    return ann.ask(wire.React(client_id(), group_id, of, EMOJI))


def _pin(ann: Client, _bo: Client, group_id: int, of: int) -> Awaitable[Any]:
    return ann.ask(wire.Pin(client_id(), group_id, of))


ABOUT_A_MESSAGE: dict[str, Act] = {"Edited": _edit, "Recalled": _recall, "Reacted": _react, "Pinned": _pin}
"""Every event that has a field `of`."""


ABOUT_A_PACKET: dict[str, set[str]] = {
    "PacketOpened": {"packet_id", "cents", "left"},
    "PacketExhausted": {"packet_id", "luckiest", "luckiest_cents", "server_seed"},
    "PacketExpired": {"packet_id", "refunded", "left", "server_seed"},
}
"""Every event that has a field `packet_id`, with all its own fields: neither the greeting nor the total is among them."""


def events_about_a_message(pointer: str) -> set[str]:
    return {
        cls.__name__
        for number, cls in BY_NUMBER.items()
        if is_event(number) and any(field.name == pointer for field in attrs.fields(cls))
    }


def test_every_event_that_points_at_a_message_has_a_row() -> None:
    assert events_about_a_message("of") == set(ABOUT_A_MESSAGE)
    assert events_about_a_message("packet_id") == set(ABOUT_A_PACKET)


@pytest.mark.parametrize("name", ABOUT_A_PACKET)
def test_an_event_about_a_packet_has_only_what_became_of_the_money(name: str) -> None:
    [cls] = [cls for cls in BY_NUMBER.values() if cls.__name__ == name]
    own = {field.name for field in attrs.fields(cls)} - {field.name for field in attrs.fields(SequenceEvent)}
    assert own == ABOUT_A_PACKET[name]


async def _table(server: Any) -> tuple[Client, Client, Client, int, int]:
    """(author, who read the message, who came after it, group, the message's seq)."""
    ann, cy, bo = await enter(server, "ann", "cy", "bo")
    group_id = await ann.make_group("home", cy, history=False)
    of = (await ann.say(group_id, SECRET)).seq
    await ann.add(group_id, bo)
    await cy.settle()
    await bo.settle()
    return ann, cy, bo, group_id, of


async def _last(client: Client, group_id: int) -> tuple[Any, Any, Any]:
    """The latest event of the group: as it came, as history has it, and as catching up has it."""
    [live] = [event for event in await client.settle() if getattr(event, "group_id", 0) == group_id]
    fetched = (await client.history(group_id))[-1]
    request_id = await client.start(CatchUp((Range(group_id, 0),)))
    await client.answer(request_id)
    return live, fetched, client.streamed.pop(request_id)[-1]


@pytest.mark.parametrize("name", ABOUT_A_MESSAGE)
async def test_an_event_says_nothing_of_a_message_that_is_not_visible(name: str, autojump_clock: Any) -> None:
    async with open_test_server() as server:
        ann, cy, bo, group_id, of = await _table(server)
        await ABOUT_A_MESSAGE[name](ann, bo, group_id, of)
        seen = await _last(cy, group_id)
        blank = await _last(bo, group_id)
        for event, other in zip(seen, blank, strict=True):
            assert type(event).__name__ == type(other).__name__ == name
            assert (event.seq, event.of) == (other.seq, other.of)
            assert not any(words.encode() in encode(other) for words in (SECRET, LATER, EMOJI))
        assert seen[0] == seen[1] == seen[2]
        assert blank[0] == blank[1] == blank[2], "live and fetched agree"
        if name == "Edited":
            assert (seen[0].text, seen[0].mentions) == (LATER, (bo.user_id,))
            assert (blank[0].text, blank[0].mentions, blank[0].mention_all, blank[0].edited_at) == ("", (), False, 0)
            assert blank[0].edited_seq == blank[0].seq
        if name == "Reacted":
            assert (seen[0].emoji, blank[0].emoji) == (EMOJI, wire.HIDDEN_EMOJI)


async def test_nobody_reacts_with_what_stands_for_a_hidden_reaction(autojump_clock: Any) -> None:
    async with open_test_server() as server:
        ann, _, _, group_id, of = await _table(server)
        assert await ann.refused(wire.React(client_id(), group_id, of, wire.HIDDEN_EMOJI)) == "bad_field"


async def test_no_answer_says_anything_of_a_message_that_is_not_visible(autojump_clock: Any) -> None:
    async with open_test_server() as server:
        ann, cy, bo, group_id, of = await _table(server)
        await _pin(ann, bo, group_id, of)
        await _edit(ann, bo, group_id, of)
        await trio.sleep(2)  # the index of the search
        for client, visible in ((cy, True), (bo, False)):
            got = bytearray()
            for command in (
                ListGroups(),
                wire.ListPins(group_id),
                wire.Search(LATER[:5], group_id),
                wire.Search(LATER[:5]),
            ):
                request_id = await client.start(command)
                got += encode(await client.answer(request_id), 1)
                for event in client.streamed.pop(request_id, []):
                    got += encode(event, 1)
            assert (LATER.encode() in got) is visible
        [listed] = [each for each in (await bo.ask(ListGroups())).groups if each.group_id == group_id]
        assert listed.mentions == 0, "an edit of a message that one may not read calls nobody"


@pytest.mark.parametrize("keep", [False, True])
async def test_a_quote_keeps_its_excerpt_only_by_choice_and_until_an_edit(keep: bool, autojump_clock: Any) -> None:
    async with open_test_server() as server:
        ann, cy, bo, group_id, of = await _table(server)
        await ann.ask(Send(client_id(), group_id, "see", SendExtra(of, keep_excerpt=keep)))
        blank = Quote(of, 0, "", "", 0)
        for client, whole in ((cy, True), (bo, keep)):
            live, fetched, caught_up = await _last(client, group_id)
            assert live == fetched == caught_up
            assert live.extra.reply_to == (Quote(of, ann.user_id, "ann", SECRET) if whole else blank)
        await _edit(ann, bo, group_id, of)
        for client, excerpt in ((cy, LATER), (bo, "")):
            assert _excerpt((await client.history(group_id))[-2]) == excerpt
            await client.settle()
        await ann.ask(Send(client_id(), group_id, "see again", SendExtra(of, keep_excerpt=keep)))
        live, fetched, _ = await _last(bo, group_id)
        assert live == fetched
        assert _excerpt(live) == (LATER if keep else "")


async def test_an_edit_that_calls_everybody_calls_nobody_who_may_not_read(autojump_clock: Any) -> None:
    async with open_test_server() as server:
        ann, cy, bo, group_id, of = await _table(server)
        await ann.ask(wire.Edit(client_id(), group_id, of, LATER, (), True))
        for client, mentions in ((cy, 1), (bo, 0)):
            [listed] = [each for each in (await client.ask(ListGroups())).groups if each.group_id == group_id]
            assert listed.mentions == mentions
        await ann.ask(wire.Edit(client_id(), group_id, of, SECRET, (), False))
        [listed] = [each for each in (await cy.ask(ListGroups())).groups if each.group_id == group_id]
        assert listed.mentions == 0


@pytest.mark.parametrize("edited", [False, True])
async def test_a_call_of_everybody_and_a_quote_are_for_each_what_they_may_see(
    edited: bool, autojump_clock: Any
) -> None:
    """Four members: who may see the quoted message or not, and who blocks the author or not."""
    async with open_test_server() as server:
        ann, cy, bo, _, _ = await _table(server)
        [dan, eve] = await enter(server, "dan", "eve")
        later = await ann.make_group("later", cy, dan, history=False)
        of = (await ann.say(later, SECRET)).seq
        await ann.add(later, bo, eve)
        for client in (dan, eve):
            await client.ask(Block(ann.user_id))
        for client in (cy, bo, dan, eve):
            await client.settle()
        if edited:
            await ann.ask(wire.Edit(client_id(), later, of, LATER, (), True))
        else:
            await ann.ask(Send(client_id(), later, "see", SendExtra(of, mention_all=True)))
        for client, visible, called in ((cy, True, True), (bo, False, True), (dan, True, False), (eve, False, False)):
            live, fetched, caught_up = await _last(client, later)
            assert live == fetched == caught_up
            if edited:
                assert (live.text, live.mention_all) == ((LATER, called) if visible else ("", False))
            else:
                assert (_excerpt(live), live.extra.mention_all) == (SECRET if visible else "", called)


def _excerpt(message: Any) -> str:
    extra: MessageExtra = message.extra
    assert extra.reply_to is not None
    return extra.reply_to.excerpt


async def test_who_joins_in_the_moment_of_an_edit_hears_no_words_of_it(autojump_clock: Any) -> None:
    async with open_test_server() as server:
        ann, _, _, group_id, of = await _table(server)
        di, other = await connect(server), await connect(server)
        await di.register("di")
        await other.login("ann")
        command = wire.Edit(client_id(), group_id, of, LATER)
        adding = await ann.start(_adding(group_id, di))
        editing = await other.start(command)
        await ann.answer(adding)
        await other.answer(editing)
        heard = b"".join(encode(event) for event in await di.settle())
        assert LATER.encode() not in heard


def _adding(group_id: int, *clients: Client) -> Any:
    return AddMembers(client_id(), group_id, tuple(client.user_id for client in clients))
