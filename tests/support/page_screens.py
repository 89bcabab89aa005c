"""A chat with a bit of everything, and a walk over every screen of the page."""

import io
import re
from collections.abc import Generator

import attrs
from playwright.sync_api import Locator, Page

from chatsrv.client import Client
from support.media_files import picture, wav
from support.page_kit import begins


@attrs.frozen
class Strings:
    """What people named things and wrote, in the chat that `furnish` makes."""

    group: str = "Garden"
    text: str = "good morning"
    file: str = "plan.txt"
    nickname: str = "Bobby"


async def furnish(client: Client, other: str, said: Strings) -> int:
    """Make a group of me and another with one of each kind of thing in it; answers its id. My wallet holds a yuan."""
    [person] = await client.people.find([other])
    group_id = (await client.groups.create(said.group, [person.user_id])).group_id
    await client.group(group_id).set_nickname(said.nickname)
    await client.group(group_id).set_notice(said.text)
    first = await client.group(group_id).send(said.text)
    await client.group(group_id).reply(first.seq, said.text, mentions=[person.user_id])
    await client.group(group_id).edit(first.seq, f"{said.text} again")
    await client.group(group_id).react(first.seq, "👍")
    await client.group(group_id).pin(first.seq)
    await client.group(group_id).recall((await client.group(group_id).send("gone")).seq)
    await client.group(group_id).forward(group_id, first.seq)
    for body, name in ((picture(), f"{said.file}.png"), (wav(), f"{said.file}.wav"), (b"text", said.file)):
        medium = await client.media.upload(io.BytesIO(body), name=name)
        await client.group(group_id).send_media(medium, said.text)
    prepared = await client.redpack.prepare(group_id, 100, 2)
    await client.redpack.send(group_id, prepared.packet_id, greeting=said.text)
    await client.redpack.open(group_id, prepared.packet_id)
    return group_id


@attrs.frozen
class Labels:
    """The names by which the walk finds its way, in one language."""

    chats: str = "Chats"
    me: str = "Me"
    back: str = "Back to chats"
    new_chat: str = "New chat"
    group: str = "Group"
    close: str = "Close"
    actions: str = "Actions"
    picture: str = "Picture"
    red_packet: str = "Red packet"
    open: str = "Open"
    lucky_money: str = "Send lucky money"
    own: tuple[str, ...] = ("Statement", "Account", "Privacy", "My files")
    """What opens from Me."""
    head: tuple[str, ...] = ("Search", "Pinned messages")
    """What opens from the head of a chat."""
    about: str = "^About "
    media: str = "Pictures and files"


ENGLISH = Labels()
CHINESE = Labels(
    chats="聊天",
    me="我",
    back="返回聊天列表",
    new_chat="新的聊天",
    group="群资料",
    close="关闭",
    actions="操作",
    picture="图片",
    red_packet="红包",
    open="拆开",
    lucky_money="发红包",
    own=("账单", "账号", "隐私", "我的文件"),
    head=("搜索", "置顶消息"),
    about="的资料$",
    media="图片和文件",
)


def _close(dialog: Locator, say: Labels) -> None:
    dialog.get_by_role("button", name=say.close, exact=True).first.click()
    dialog.wait_for(state="detached")


def walk(page: Page, say: Labels = ENGLISH) -> Generator[str]:
    """Show one screen after the other to somebody who is in the one group that `furnish` made; yields their names."""
    button, dialog = page.get_by_role("button"), page.get_by_role("dialog")
    chats = page.get_by_role("list", name=say.chats, exact=True)
    chats.get_by_role("button").first.wait_for()
    yield "list"
    for name, opener in (("me", begins(f"{say.me}: ")), ("new chat", say.new_chat)):
        page.get_by_role("navigation").get_by_role("button", name=opener, exact=True).first.click()
        page.get_by_role("navigation").get_by_role("heading").first.wait_for()
        yield name
        if name == "me":
            for own in say.own:
                page.get_by_role("navigation").get_by_role("button", name=own, exact=True).click()
                dialog.get_by_role("button", name=say.close, exact=True).first.wait_for()
                yield own
                _close(dialog, say)
        page.get_by_role("navigation").get_by_role("button", name=say.back, exact=True).click()
    chats.get_by_role("button").first.click()
    log = page.get_by_role("log")
    log.get_by_role("button", name=begins(f"{say.red_packet}: ")).wait_for()
    yield "conversation"
    for opener, name in (
        *(
            (log.get_by_role("button", name=begins(f"{say.actions}: ")).first, "menu"),
            (log.get_by_role("button", name=re.compile(say.about)).first, "person"),
        ),
        *((page.get_by_role("main").get_by_role("button", name=head, exact=True), head) for head in say.head),
    ):
        opener.click()
        dialog.wait_for()
        yield name
        _close(dialog, say)
    log.get_by_role("button", name=begins(f"{say.picture}: ")).click()
    dialog.wait_for()
    yield "viewer"
    _close(dialog, say)
    button.and_(page.get_by_label(say.lucky_money, exact=True)).click()
    dialog.wait_for()
    yield "send packet"
    _close(dialog, say)
    log.get_by_role("button", name=begins(f"{say.red_packet}: ")).click()
    coin = dialog.get_by_role("button", name=say.open, exact=True)
    coin.wait_for()
    yield "packet"
    coin.click()
    dialog.get_by_role("listitem").nth(1).wait_for()
    yield "opened packet"
    _close(dialog, say)
    page.get_by_role("main").get_by_role("button", name=say.group, exact=True).click()
    dialog.get_by_role("listitem").nth(1).wait_for()
    yield "group"
    dialog.get_by_role("button", name=say.media, exact=True).click()
    dialog.get_by_role("list").first.wait_for()
    yield "media"
    _close(dialog, say)
