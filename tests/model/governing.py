"""Rules: how a group is governed, by whom, and what becomes of those who are muted, banned or handed everything."""

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import rule

from chatsrv_protocol.governing import (
    FOREVER,
    BanUser,
    DissolveGroup,
    HandOver,
    MuteMember,
    SetNickname,
    SetNotice,
    SetRole,
    SetRules,
    UnbanUser,
)
from model.base import devices, groups
from model.device import Device
from model.people import WHO, People
from model.truth import ADMIN, MEMBER, OWNER, Group

FOR = st.sampled_from([30_000, 150_000, FOREVER])
NICKNAME_EVERY = 60_000
"""Milliseconds between two nicknames of one member."""
ROLES = st.sampled_from([MEMBER, ADMIN])
RULES = st.fixed_dictionaries(
    {},
    optional={
        "invite": ROLES,
        "history": st.booleans(),
        "mute_all": st.booleans(),
        "slow_mode": st.sampled_from([0, 20]),
        "pin": ROLES,
        "mention_all": ROLES,
        "keep_edits": st.booleans(),
    },
).filter(bool)


class Governing(People):
    def _until(self, span: int) -> int:
        return FOREVER if span == FOREVER else self._now()[0] + span

    @rule(device=devices, group=groups, changes=RULES)
    def set_rules(self, device: Device, group: Group, changes: dict[str, Any]) -> None:
        device = self._usable(device)
        mine = device.account.user_id
        reply = self._ask(device, SetRules(self._new_id(device), group.group_id, **changes))
        if (refusal := group.refusal(mine, ADMIN)) is not None:
            assert reply == refusal
        else:
            group.rules = attrs.evolve(group.rules, **changes)
            self._changed(group, reply, "RulesChanged", mine, group.rules)

    @rule(device=devices, group=groups, who=WHO, role=ROLES)
    def set_role(self, device: Device, group: Group, who: int, role: int) -> None:
        device = self._usable(device)
        mine, theirs = device.account.user_id, self._account(who).user_id
        reply = self._ask(device, SetRole(self._new_id(device), group.group_id, theirs, role))
        if (refusal := group.refusal(mine, OWNER, theirs)) is not None:
            assert reply == refusal
        else:
            group.members[theirs].role = role
            self._changed(group, reply, "RoleChanged", mine, (theirs, role))

    @rule(device=devices, group=groups, who=WHO)
    def hand_over(self, device: Device, group: Group, who: int) -> None:
        device = self._usable(device)
        mine, theirs = device.account.user_id, self._account(who).user_id
        reply = self._ask(device, HandOver(self._new_id(device), group.group_id, theirs))
        if (refusal := group.refusal(mine, OWNER, theirs)) is not None:
            assert reply == refusal
        else:
            group.members[mine].role, group.members[theirs].role = ADMIN, OWNER
            group.muted.pop(theirs, None)
            self._changed(group, reply, "OwnerChanged", mine, theirs)

    @rule(device=devices, group=groups, who=WHO, span=st.just(0) | FOR)
    def mute(self, device: Device, group: Group, who: int, span: int) -> None:
        device = self._usable(device)
        mine, theirs = device.account.user_id, self._account(who).user_id
        until = self._until(span) if span else 0
        reply = self._ask(device, MuteMember(self._new_id(device), group.group_id, theirs, until))
        if (refusal := group.refusal(mine, ADMIN, theirs)) is not None:
            assert reply == refusal
        else:
            group.muted[theirs] = until
            self._changed(group, reply, "MemberMuted", mine, (theirs, until))

    @rule(device=devices, group=groups, who=WHO, span=FOR)
    def ban(self, device: Device, group: Group, who: int, span: int) -> None:
        """Whoever is in is out; whoever is not stays out."""
        device = self._usable(device)
        mine, theirs = device.account.user_id, self._account(who).user_id
        until = self._until(span)
        reply = self._ask(device, BanUser(self._new_id(device), group.group_id, theirs, until))
        inside = theirs in group.members
        if (refusal := group.refusal(mine, ADMIN, theirs if inside else None)) is not None:
            assert reply == refusal
            return
        group.bans[theirs] = until
        if inside:
            self._part(group, mine, theirs, reply, "UserBanned", (theirs, until))
        else:
            self._changed(group, reply, "UserBanned", mine, (theirs, until))

    @rule(device=devices, group=groups, who=WHO)
    def unban(self, device: Device, group: Group, who: int) -> None:
        device = self._usable(device)
        mine, theirs = device.account.user_id, self._account(who).user_id
        reply = self._ask(device, UnbanUser(self._new_id(device), group.group_id, theirs))
        if (refusal := group.refusal(mine, ADMIN)) is not None:
            assert reply == refusal
        elif group.bans.get(theirs, 0) <= self._now()[0]:
            assert reply == "not_banned"
        else:
            del group.bans[theirs]
            self._changed(group, reply, "UserUnbanned", mine, theirs)

    @rule(device=devices, group=groups, text=st.sampled_from(["", "tea at four"]))
    def set_notice(self, device: Device, group: Group, text: str) -> None:
        device = self._usable(device)
        mine = device.account.user_id
        reply = self._ask(device, SetNotice(self._new_id(device), group.group_id, text))
        if (refusal := group.silenced(mine, self._now()[0], ADMIN)) is not None:
            assert reply == refusal
        else:
            group.notice = text
            self._changed(group, reply, "NoticeChanged", mine, text)

    @rule(device=devices, group=groups, nickname=st.sampled_from(["", "boss"]))
    def set_nickname(self, device: Device, group: Group, nickname: str) -> None:
        device = self._usable(device)
        mine, (now_ms, _) = device.account.user_id, self._now()
        reply = self._ask(device, SetNickname(self._new_id(device), group.group_id, nickname))
        if (refusal := group.silenced(mine, now_ms)) is not None:
            assert reply == refusal
        elif 0 <= now_ms - group.nickname_at.get(mine, 0) < NICKNAME_EVERY:
            assert reply == "slow_mode"
        else:
            group.nickname_at[mine] = now_ms
            group.members[mine].nickname = nickname
            self._changed(group, reply, "NicknameChanged", mine, nickname)

    @rule(device=devices, group=groups)
    def dissolve(self, device: Device, group: Group) -> None:
        device = self._usable(device)
        mine = device.account.user_id
        reply = self._ask(device, DissolveGroup(self._new_id(device), group.group_id))
        if (refusal := group.refusal(mine, OWNER)) is not None:
            assert reply == refusal
        else:
            self._changed(group, reply, "GroupDissolved", mine)
            self._tell(group.members, ("Removed", group.group_id))
            group.members.clear()
