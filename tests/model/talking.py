"""Rules: saying, answering, calling, correcting and taking back, reactions and pins, cursors and quiet groups."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from support.server_kit import RefusedError

from chatsrv_protocol.conversation import Edit, Pin, React, Recall, SetQuiet
from chatsrv_protocol.messages import Send, SendExtra
from chatsrv_protocol.sync import MarkRead
from model.base import devices, groups
from model.device import Device
from model.people import WHO, People
from model.truth import ADMIN, EDIT_WITHIN, RECALL_WITHIN, Group, Said

WHICH = st.integers(0, 9)


def pointed_at(group: Group, which: int) -> int:
    """One of the latest messages; now and then an event that is none, or one that does not exist."""
    if which > 7 or not group.said:
        return 1 if which % 2 else len(group.log) + 1
    return sorted(group.said)[-1 - which % len(group.said)]


class Talking(People):
    def _said(self, group: Group, said: Said, reply: Any) -> None:
        """Somebody said something: it moves nobody's cursor."""
        seq = len(group.log) + 1
        group.said[seq] = said
        self._changed(group, reply, "Message", said.sender)
        assert reply.ordinal == len(group.said)
        if group.rules.slow_mode and group.members[said.sender].role < ADMIN:
            group.spoke_at[said.sender] = said.at

    @rule(device=devices, group=groups, texts=st.lists(st.sampled_from(["a", "b", "", "long " * 900]), min_size=1))
    def say(self, device: Device, group: Group, texts: list[str]) -> None:
        """Several at once, without waiting between them."""
        device = self._usable(device)
        mine, client = device.account.user_id, self._client(device)
        commands = [Send(client.new_id(), group.group_id, text) for text in texts]
        now_ms = self._now()[0]

        async def send() -> list[Any]:
            ids = [await client.start(command) for command in commands]
            replies: list[Any] = []
            for request_id in ids:
                try:
                    replies.append(await client.answer(request_id))
                except RefusedError as error:
                    replies.append(error.code)
            return replies

        for command, reply in zip(commands, self.world.call(send), strict=True):
            if (refusal := group.silenced(mine, now_ms, paced=True)) is not None:
                assert reply == refusal
            elif not command.text:
                assert reply == "text_empty"
            else:
                self._said(group, Said(mine, command.text, now_ms), reply)
                device.account.done.append((command, reply))

    @rule(
        device=devices,
        group=groups,
        which=st.none() | WHICH,
        who=st.sets(WHO, max_size=2),
        everybody=st.booleans(),
        keep=st.booleans(),
    )
    def answer(
        self, device: Device, group: Group, which: int | None, who: set[int], everybody: bool, keep: bool
    ) -> None:
        """Answer a message, and call people, or everybody, which is a right."""
        device = self._usable(device)
        mine, now_ms = device.account.user_id, self._now()[0]
        of = 0 if which is None else pointed_at(group, which)
        called = tuple(self._account(each).user_id for each in sorted(who))
        command = Send(self._new_id(device), group.group_id, f"to {of}", SendExtra(of, called, everybody, keep))
        reply = self._ask(device, command)
        others = tuple(dict.fromkeys(each for each in called if each != mine))
        if (refusal := group.silenced(mine, now_ms, paced=True)) is not None:
            assert reply == refusal
        elif of and group.there(mine, of) is None:
            assert reply == "message_unknown"
        elif any(each not in group.members for each in others):
            assert reply == "not_member"
        elif everybody and (refusal := group.refusal(mine, group.rules.mention_all)) is not None:
            assert reply == refusal
        else:
            said = Said(mine, command.text, now_ms, of, others, everybody, keep_excerpt=keep)
            self._said(group, said, reply)

    def _pointed(self, group: Group, mine: int, of: int, refusal: str | None) -> tuple[Said | None, str | None]:
        """The message that a command points at, or why it is refused."""
        if refusal is not None:
            return None, refusal
        said = group.there(mine, of)
        return said, "message_unknown" if said is None else None

    @rule(device=devices, group=groups, which=WHICH, text=st.sampled_from(["better", "好", " "]))
    def edit(self, device: Device, group: Group, which: int, text: str) -> None:
        device = self._usable(device)
        of = pointed_at(group, which)
        mine, now_ms = device.account.user_id, self._now()[0]
        reply = self._ask(device, Edit(self._new_id(device), group.group_id, of, text))
        said, refusal = self._pointed(group, mine, of, group.silenced(mine, now_ms))
        if said is None:
            assert reply == refusal
        elif said.sender != mine:
            assert reply == "forbidden"
        elif now_ms - said.at > EDIT_WITHIN:
            assert reply == "too_late"
        elif text.isspace():
            assert reply == "text_empty"
        else:
            if group.rules.keep_edits:
                said.versions.append(said.text)
            said.text, said.edited_seq = text, len(group.log) + 1
            self._changed(group, reply, "Edited", mine, of)

    @rule(device=devices, group=groups, which=WHICH)
    def recall(self, device: Device, group: Group, which: int) -> None:
        device = self._usable(device)
        of = pointed_at(group, which)
        mine, now_ms = device.account.user_id, self._now()[0]
        reply = self._ask(device, Recall(self._new_id(device), group.group_id, of))
        said, refusal = self._pointed(group, mine, of, group.refusal(mine))
        if said is None:
            assert reply == refusal
            return
        may = group.refusal(mine, ADMIN)
        if said.sender != mine:
            author = group.members.get(said.sender)
            if may is not None or (author is not None and author.role >= group.members[mine].role):
                assert reply == "forbidden"
                return
        elif may is not None and now_ms - said.at > RECALL_WITHIN:
            assert reply == "too_late"
            return
        said.text, said.recalled, said.edited_seq, said.pinned_at = "", True, 0, 0
        said.reactions.clear()
        said.versions.clear()
        self._changed(group, reply, "Recalled", mine, of)

    @rule(device=devices, group=groups, which=WHICH, emoji=st.sampled_from("👍🧧"), on=st.booleans())
    def react(self, device: Device, group: Group, which: int, emoji: str, on: bool) -> None:
        device = self._usable(device)
        of = pointed_at(group, which)
        mine = device.account.user_id
        reply = self._ask(device, React(self._new_id(device), group.group_id, of, emoji, on))
        said, refusal = self._pointed(group, mine, of, group.silenced(mine, self._now()[0]))
        if said is None:
            assert reply == refusal
        elif ((mine, emoji) in said.reactions) == on:
            assert reply.seq == 0
        else:
            self._changed(group, reply, "Reacted", mine, (of, emoji, on))
            if on:
                said.reactions[mine, emoji] = reply.seq
            else:
                del said.reactions[mine, emoji]

    @rule(device=devices, group=groups, which=WHICH, on=st.booleans())
    def pin(self, device: Device, group: Group, which: int, on: bool) -> None:
        device = self._usable(device)
        of = pointed_at(group, which)
        mine = device.account.user_id
        reply = self._ask(device, Pin(self._new_id(device), group.group_id, of, on))
        said, refusal = self._pointed(group, mine, of, group.refusal(mine, group.rules.pin))
        if said is None:
            assert reply == refusal
        elif bool(said.pinned_at) == on:
            assert reply.seq == 0
        else:
            self._changed(group, reply, "Pinned", mine, (of, on))
            said.pinned_at = reply.seq if on else 0

    @rule(device=devices, group=groups, seq=st.integers(0, 60))
    def mark_read(self, device: Device, group: Group, seq: int) -> None:
        device = self._usable(device)
        mine = device.account.user_id
        reply = self._ask(device, MarkRead(group.group_id, seq))
        if mine not in group.members:
            assert reply == "group_unknown"
            return
        target = min(seq, len(group.log))
        if target > group.members[mine].read_seq:
            group.members[mine].read_seq = target
            self._tell([mine], ("ReadMoved", group.group_id, target))

    @rule(device=devices, group=groups, quiet=st.booleans())
    def keep_quiet(self, device: Device, group: Group, quiet: bool) -> None:
        device = self._usable(device)
        mine = device.account.user_id
        reply = self._ask(device, SetQuiet(group.group_id, quiet))
        if mine not in group.members:
            assert reply == "group_unknown"
            return
        group.members[mine].quiet = quiet
        self._tell([mine], ("QuietSet", group.group_id, quiet))
