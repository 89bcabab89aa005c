"""A device of the machine: a connection that comes and goes, what it should hear, and what it shows.

What it shows outlives its connections, as a phone's memory does: the views of the client library, fed with whatever
this device heard and fetched.
"""

from collections.abc import Sequence
from typing import Any

import attrs
from support.server_kit import Client, RefusedError

from chatsrv.client.following.view import GroupView
from chatsrv_protocol.conversation import Edited, Pinned, QuietSet, Reacted, Recalled
from chatsrv_protocol.face_to_face import InLobby, LobbyChanged, LobbyClosed, ShowLobby, Waiting
from chatsrv_protocol.governing import (
    MemberMuted,
    NicknameChanged,
    NoticeChanged,
    OwnerChanged,
    RoleChanged,
    RulesChanged,
    UserBanned,
    UserUnbanned,
)
from chatsrv_protocol.groups import Added, Group, MemberRemoved, MembersAdded, Removed
from chatsrv_protocol.invitations import Invited
from chatsrv_protocol.messages import Message, MessageExtra
from chatsrv_protocol.sync import CatchUp, ListGroups, Range, ReadMoved
from model.truth import Account


def seen(event: Any) -> Any:
    """An event as the model says it: (group, seq, class, sender, detail), or (class, group, …) of a personal one."""
    match event:
        case Added():
            return "Added", event.group.group_id
        case Removed():
            return "Removed", event.group_id
        case Invited():
            return "Invited", event.invitation.group_id
        case ReadMoved():
            return "ReadMoved", event.group_id, event.read_seq
        case QuietSet():
            return "QuietSet", event.group_id, event.quiet
        case _:
            return event.group_id, event.seq, type(event).__name__, event.sender_id, _detail(event)


def _detail(event: Any) -> Any:
    match event:
        case Message():
            extra = event.extra or MessageExtra()
            quote = extra.reply_to and (extra.reply_to.of, extra.reply_to.excerpt, extra.reply_to.edited_seq)
            return event.text, quote, extra.mentions, extra.mention_all, extra.edited_seq, extra.recalled
        case Edited():
            return event.of, event.text, event.edited_seq
        case Recalled():
            return event.of
        case Reacted():
            return event.of, event.emoji, event.on
        case Pinned():
            return event.of, event.on
        case RulesChanged():
            return event.rules
        case RoleChanged():
            return event.member.user_id, event.role
        case MemberMuted() | UserBanned():
            return event.member.user_id, event.until
        case OwnerChanged() | UserUnbanned() | MemberRemoved():
            return event.member.user_id
        case MembersAdded():
            return tuple(person.user_id for person in event.members)
        case NicknameChanged():
            return event.nickname
        case NoticeChanged():
            return event.text
        case _:
            return getattr(event, "name", "")


@attrs.define(eq=False)
class Device:
    """`client` is None while it is cut off; `expected` is what its present connection should hear."""

    account: Account
    client: Client | None
    expected: list[Any] = attrs.field(factory=list)
    views: dict[int, GroupView] = attrs.field(factory=dict)
    have: dict[int, int] = attrs.field(factory=dict)
    """Up to which event this device has everything, of each group."""
    page: InLobby | None = None

    def hear(self, events: Sequence[Any]) -> None:
        """Take what came."""
        for event in events:
            if isinstance(event, Added):
                self._shown(event.group)
            elif isinstance(event, Removed):
                self.views.pop(event.group_id, None)
            elif event.group_id in self.views:
                self._take(event)

    def _shown(self, group: Group) -> None:
        """A group as the list has it. Who came in anew begins anew."""
        if group.group_id not in self.views or self.have[group.group_id] < group.visible_from:
            self.views[group.group_id] = GroupView(self.account.user_id)
            self.have[group.group_id] = group.visible_from
        self.views[group.group_id].apply(group)

    def _take(self, event: Any) -> None:
        self.views[event.group_id].apply(event)
        if getattr(event, "seq", 0) == self.have[event.group_id] + 1:
            self.have[event.group_id] += 1

    async def catch_up(self) -> None:
        """Read the list of groups, and fetch what is missing of each."""
        client = self.client
        assert client is not None
        groups = (await client.ask(ListGroups())).groups
        for gone in self.views.keys() - {group.group_id for group in groups}:
            del self.views[gone]
        for group in groups:
            self._shown(group)
        while ranges := [Range(one.group_id, self.have[one.group_id]) for one in groups if self._lacks(one)]:
            request_id = await client.start(CatchUp(tuple(ranges)))
            await client.answer(request_id)
            for event in client.streamed.pop(request_id):
                self._take(event)

    def _lacks(self, group: Group) -> bool:
        return self.have[group.group_id] < group.seq

    async def fresh(self, group: Group) -> GroupView:
        """The view of somebody who fetches everything now."""
        assert self.client is not None
        view = GroupView(self.account.user_id)
        view.apply(group)
        for event in await self.client.history(group.group_id):
            view.apply(event)
        return view

    # The waiting page.

    async def turn_pages(self, events: Sequence[Any]) -> None:
        """Take what came of lobbies; a page of which this device has not seen the beginning is asked for."""
        assert self.client is not None
        for event in events:
            if isinstance(event, LobbyClosed):
                if self.page is not None and self.page.code == event.code:
                    self.page = None
            elif self.page is None or self.page.code != event.code:
                await self.show_page()
            else:
                self.page = attrs.evolve(self.page, people=_changed(self.page.people, event))

    async def show_page(self) -> None:
        """Ask who waits with me."""
        assert self.client is not None
        try:
            self.page = await self.client.ask(ShowLobby())
        except RefusedError as refused:
            if refused.code != "lobby_over":
                raise
            self.page = None


def _changed(people: tuple[Waiting, ...], event: LobbyChanged) -> tuple[Waiting, ...]:
    table = {one.user_id: one for one in people}
    table.update({one.user_id: one for one in event.came})
    return tuple(one for user_id, one in table.items() if user_id not in event.went)
