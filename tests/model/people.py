"""Rules: accounts, their devices that are cut and come back, groups and who is in them, restarts and time."""

from typing import Any

import attrs
import pytest
import trio
from hypothesis import strategies as st
from hypothesis.stateful import initialize, multiple, rule
from support.server_kit import Client, RefusedError, connect

from chatsrv_protocol.groups import AddMembers, GroupRules, LeaveGroup, MakeGroup, RemoveMember, RenameGroup
from chatsrv_protocol.invitations import AcceptInvitation
from model.base import MAX_ACCOUNTS, MAX_DEVICES, Base, devices, groups
from model.device import Device
from model.truth import ADMIN, MEMBER, OWNER, Account, Group, Membership

WHO = st.integers(0, MAX_ACCOUNTS - 1)


class People(Base):
    @initialize(target=devices)
    def two_people(self) -> Any:
        return multiple(self._register("user0"), self._register("user1"))

    def _register(self, name: str) -> Device:
        async def register() -> Client:
            return await (await connect(self.server)).register(name)

        client = self.world.call(register)
        assert client.me is not None
        account = Account(name, client.user_id, client.me.token)
        self.accounts.append(account)
        device = Device(account, client)
        self.live.append(device)
        return device

    @rule(target=devices)
    def register(self) -> Any:
        if len(self.accounts) >= MAX_ACCOUNTS:
            return multiple()
        return self._register(f"user{len(self.accounts)}")

    @rule(who=WHO)
    def register_a_name_that_is_taken(self, who: int) -> None:
        name = self._account(who).name.upper()

        async def register() -> None:
            await (await connect(self.server)).register(name)

        with pytest.raises(RefusedError, match="name_taken"):
            self.world.call(register)

    @rule(target=devices, device=devices)
    def another_device(self, device: Device) -> Any:
        if len(self.live) >= MAX_DEVICES:
            return multiple()
        return self._connect(Device(device.account, None))

    @rule(device=devices, unread=st.booleans())
    def lose_the_connection(self, device: Device, unread: bool) -> None:
        """After all was read, or with events on their way that nobody reads."""
        if device in self.live:
            if not unread:
                self._check_heard(device)
            self._cut(device)

    @rule(device=devices, catches_up=st.booleans())
    def come_back(self, device: Device, catches_up: bool) -> None:
        """With what it had, and fetch what is missing now or later."""
        if device not in self.live and len(self.live) < MAX_DEVICES:
            self._connect(device)
            if catches_up:
                self.world.call(device.catch_up)

    @rule(device=devices)
    def fetch(self, device: Device) -> None:
        """While events are on their way, which come after what was fetched and may be older than it."""
        if device in self.live:
            self.world.call(device.catch_up)

    @rule(device=devices)
    def hear(self, device: Device) -> None:
        if device in self.live:
            self._check_heard(device)

    @rule(target=groups, device=devices, who=st.sets(WHO, max_size=3), history=st.booleans())
    def make_group(self, device: Device, who: set[int], history: bool) -> Any:
        device = self._usable(device)
        mine = device.account.user_id
        others = [self.accounts[n].user_id for n in sorted(who) if n < len(self.accounts)]
        name = f"group {len(self.all_groups)}"
        reply = self._ask(device, MakeGroup(self._new_id(device), name, tuple(others), history))
        group = Group(reply.group_id, name, GroupRules(history=history))
        self._changed(group, reply, "GroupCreated", mine, name)
        for user_id in dict.fromkeys([mine, *others]):
            self._enter(group, user_id, OWNER if user_id == mine else MEMBER, 0)
        self.all_groups.append(group)
        return group

    def _enter(self, group: Group, user_id: int, role: int, visible_from: int) -> None:
        """Somebody came in with the event at the head, and has not read it."""
        group.members[user_id] = Membership(role, visible_from, len(group.log))
        group.left.discard(user_id)
        group.removed.discard(user_id)
        group.invited.pop(user_id, None)
        self._tell([user_id], ("Added", group.group_id))

    def _admit(self, group: Group, actor: int, user_id: int) -> int:
        """Somebody comes into a group that exists; answers the event."""
        before = len(group.log)
        seq = self._append(group, "MembersAdded", actor, (user_id,))
        self._enter(group, user_id, MEMBER, 0 if group.rules.history else before)
        return seq

    @rule(device=devices, group=groups, who=WHO)
    def add(self, device: Device, group: Group, who: int) -> None:
        device = self._usable(device)
        mine, theirs = device.account.user_id, self._account(who).user_id
        reply = self._ask(device, AddMembers(self._new_id(device), group.group_id, (theirs,)))
        if (refusal := group.refusal(mine, group.rules.invite)) is not None:
            assert reply == refusal
        elif theirs in group.members:
            assert reply == "already_member"
        elif group.bans.get(theirs, 0) > self._now()[0]:
            assert reply == "banned"
        elif theirs in group.left:
            assert (reply.seq, reply.invited) == (0, (theirs,))
            if theirs not in group.invited:
                self._tell([theirs], ("Invited", group.group_id))
            group.invited[theirs] = mine
        else:
            assert (reply.seq, reply.invited) == (self._admit(group, mine, theirs), ())

    @rule(device=devices, group=groups)
    def accept(self, device: Device, group: Group) -> None:
        """An invitation lets in while the one who made it may add people."""
        device = self._usable(device)
        mine = device.account.user_id
        reply = self._ask(device, AcceptInvitation(self._new_id(device), group.group_id))
        if mine not in group.invited or group.refusal(group.invited[mine], group.rules.invite) is not None:
            assert reply == "invite_unknown"
        elif group.bans.get(mine, 0) > self._now()[0]:
            assert reply == "banned"
        else:
            assert reply.seq == self._admit(group, mine, mine)

    @rule(device=devices, group=groups, who=WHO)
    def remove(self, device: Device, group: Group, who: int) -> None:
        device = self._usable(device)
        mine, theirs = device.account.user_id, self._account(who).user_id
        reply = self._ask(device, RemoveMember(self._new_id(device), group.group_id, theirs))
        if (refusal := group.refusal(mine, ADMIN, theirs)) is not None:
            assert reply == refusal
        else:
            self._part(group, mine, theirs, reply, "MemberRemoved", theirs)

    @rule(device=devices, group=groups)
    def go(self, device: Device, group: Group) -> None:
        device = self._usable(device)
        mine = device.account.user_id
        reply = self._ask(device, LeaveGroup(self._new_id(device), group.group_id))
        if (refusal := group.refusal(mine)) is not None:
            assert reply == refusal
        elif group.members[mine].role == OWNER and len(group.members) > 1:
            assert reply == "owner_must_stay"
        else:
            self._part(group, mine, mine, reply, "MemberRemoved", mine)

    def _part(self, group: Group, actor: int, user_id: int, reply: Any, kind: str, detail: Any) -> None:
        """Somebody is out, before the event that says so."""
        del group.members[user_id]
        (group.left if actor == user_id else group.removed).add(user_id)
        self._tell([user_id], ("Removed", group.group_id))
        self._changed(group, reply, kind, actor, detail)

    @rule(device=devices, group=groups, name=st.text("ab", min_size=1, max_size=3))
    def rename(self, device: Device, group: Group, name: str) -> None:
        device = self._usable(device)
        mine = device.account.user_id
        reply = self._ask(device, RenameGroup(self._new_id(device), group.group_id, name))
        if (refusal := group.silenced(mine, self._now()[0], ADMIN)) is not None:
            assert reply == refusal
        else:
            group.name = name
            self._changed(group, reply, "GroupRenamed", mine, name)

    @rule(device=devices, which=st.integers(0, 1000), altered=st.booleans())
    def retry(self, device: Device, which: int, altered: bool) -> None:
        """Any earlier change, on any device, after whatever happened since: no second effect."""
        device = self._usable(device)
        if not device.account.done:
            return
        command, reply = device.account.done[which % len(device.account.done)]
        if altered:
            if hasattr(command, "text"):
                assert self._ask(device, attrs.evolve(command, text="altered")) == "client_id_conflict"
            assert self._ask(device, RenameGroup(command.client_id, 12345, "altered")) == "client_id_conflict"
        assert self.world.call(self._client(device).ask, command) == reply

    @rule(seconds=st.sampled_from([1, 31, 60, 200]))
    def time_passes(self, seconds: int) -> None:
        self.world.call(trio.sleep, seconds)
