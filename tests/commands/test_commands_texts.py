"""The one hook for texts: every text that others read passes it, whatever command brings it, and nothing else does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from support.http_kit import error_of, open_http, quick
from support.server_kit import PASSWORD, Client, RefusedError, client_id, connect, enter

from chatsrv import Hooks, TextContext, TextKind, open_server
from chatsrv.commands.hooks import TextHook
from chatsrv.commands.table import HANDLERS
from chatsrv.commands.texts import NOT_SHOWN, TEXTS
from chatsrv.testing import TestServer, open_test_server
from chatsrv_protocol import conversation, governing, groups, media, messages, presence, redpack, session

BAD = "WORDS"


def test_every_field_of_text_is_shown_and_asked_about_or_named_as_not_shown() -> None:
    found = {
        (command, field.name) for command in HANDLERS for field in attrs.fields(command) if "str" in str(field.type)
    }
    asked = {(command, field) for command, (field, _) in TEXTS.items()}
    rest = {(command, field) for command, fields in NOT_SHOWN.items() for field in fields}
    assert found == asked | rest
    assert not asked & rest


@attrs.define
class Watch:
    """A hook that refuses BAD and keeps what it was asked."""

    asked: list[tuple[TextKind, str, TextContext]] = attrs.field(factory=list)

    async def __call__(self, kind: TextKind, text: str, context: TextContext) -> str | None:
        await trio.lowlevel.checkpoint()
        self.asked.append((kind, text, context))
        return "not these words" if BAD in text else None


@asynccontextmanager
async def watched() -> AsyncGenerator[tuple[TestServer, Watch, Client, int]]:
    watch = Watch()
    hook: TextHook = watch
    async with open_test_server(hooks=Hooks(text=hook)) as server:
        (ann,) = await enter(server, "ann")
        yield server, watch, ann, await ann.make_group("home")


def commands(group_id: int, seq: int) -> dict[type[Any], Any]:
    new = client_id
    return {
        session.Register: session.Register(BAD, PASSWORD, "phone"),
        presence.SetProfile: presence.SetProfile(nickname=BAD),
        groups.MakeGroup: groups.MakeGroup(new(), BAD),
        groups.RenameGroup: groups.RenameGroup(new(), group_id, BAD),
        governing.SetNickname: governing.SetNickname(new(), group_id, BAD),
        governing.SetNotice: governing.SetNotice(new(), group_id, BAD),
        governing.JoinGroup: governing.JoinGroup(new(), "a" * 24, BAD),
        messages.Send: messages.Send(new(), group_id, BAD),
        media.SendMedia: media.SendMedia(new(), group_id, 7, BAD),
        conversation.Edit: conversation.Edit(new(), group_id, seq, BAD),
        conversation.React: conversation.React(new(), group_id, seq, BAD),
        redpack.SendPacket: redpack.SendPacket(new(), group_id, 7, bytes(32), BAD),
    }


@pytest.mark.parametrize("kind", TEXTS, ids=lambda kind: kind.__name__)
async def test_what_the_hook_refuses_is_not_stored(kind: type[Any], autojump_clock: object) -> None:
    async with watched() as (server, watch, ann, group_id):
        seq = (await ann.say(group_id, "hello")).seq
        command = commands(group_id, seq)[kind]
        asking = await connect(server) if kind is session.Register else ann
        if asking is not ann:
            await asking.ask(session.Hello((1,), "test"))
        with pytest.raises(RefusedError, match="not these words") as caught:
            await asking.ask(command)
        field, text_kind = TEXTS[kind]
        assert (caught.value.code, caught.value.at) == ("message_refused", field)
        asked_kind, text, context = watch.asked[-1]
        assert (asked_kind, text) == (text_kind, BAD)
        own = (ann.user_id, "ann") if asking is ann else (0, "")
        assert (context.user_id, context.user_name) == own
        assert context.group_id == getattr(command, "group_id", 0)
        assert context.address == "127.0.0.1"
        assert bool(context.session_id) is (asking is ann)
        stored = await server.server.services.storage.read(
            lambda conn: conn.execute("select count(*) from message where text like ?", (f"%{BAD}%",)).fetchone()
        )
        assert stored == (0,)


async def test_a_forwarded_text_is_asked_about_again(autojump_clock: object) -> None:
    async with watched() as (_, watch, ann, group_id):
        seq = (await ann.say(group_id, "hello")).seq
        other = await ann.make_group("other")
        await ann.ask(conversation.Forward(client_id(), other, group_id, seq))
        kind, text, context = watch.asked[-1]
        assert (kind, text, context.group_id) == (TextKind.MESSAGE, "hello", other)


async def test_empty_texts_ask_nobody(autojump_clock: object) -> None:
    async with watched() as (_, watch, ann, group_id):
        before = len(watch.asked)
        await ann.ask(governing.SetNotice(client_id(), group_id, ""))
        await ann.ask(governing.SetNickname(client_id(), group_id, ""))
        await ann.ask(presence.SetProfile(hidden=True))
        assert len(watch.asked) == before


async def test_names_of_files_are_asked_about() -> None:
    watch = Watch()
    async with (
        open_server(quick(), hooks=Hooks(text=watch)) as server,
        open_http("ann", server=server) as (_, ann),
    ):
        refused = await ann.upload(b"x", f"{BAD}.txt")
        assert (refused.status_code, error_of(refused)) == (403, "message_refused")
        kind, text, context = watch.asked[-1]
        assert (kind, text, context.user_name) == (TextKind.FILE_NAME, f"{BAD}.txt", "ann")
        assert context.session_id
        assert (await ann.upload(b"x", "words.txt")).status_code == 201
