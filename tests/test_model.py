"""Hypothesis drives clients against a real server and against a few dicts that say what should be true.

Accounts, groups, members, messages, retries (also altered ones), cursors, lost connections and restarts with the clock
set back. After any sequence of them each device has heard exactly the events of the times when its user was a member
and it was connected, in order; history, the list of groups and the unread counts are those of the model; and the
database's own checks find nothing.
"""

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from guest_world import GuestWorld
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule
from server_kit import Client, RefusedError, connect

from chatsrv import open_server
from chatsrv.clock import SeededRandomness, VirtualClock
from chatsrv.testing import QUICK, TestServer
from chatsrv.transport.memory import WINDOW
from chatsrv_protocol.common import Draining
from chatsrv_protocol.groups import Added, AddMembers, LeaveGroup, MakeGroup, Removed, RemoveMember, RenameGroup
from chatsrv_protocol.messages import Send
from chatsrv_protocol.sync import CatchUp, ListGroups, MarkRead, Range, ReadMoved
from chatsrv_storage import audit, history
from chatsrv_storage.port import open_storage

CONFIG = attrs.evolve(
    QUICK, messages_per_second=0, changes_per_second=0, address_per_second=0, login_attempts=10_000, heartbeat=1e6
)
MEMBER, OWNER = 1, 3


@asynccontextmanager
async def serving(folder: Path, seed: int) -> AsyncGenerator[TestServer]:
    """A server on a folder; its clock starts again where it started the last time."""
    clock = VirtualClock()
    storage = open_storage(folder, inline=True, synchronous="OFF")
    opened = open_server(CONFIG, clock=clock, randomness=SeededRandomness(seed), storage=storage)
    async with opened as server:
        server.services.registrations.burst = 1e9  # nearly no time passes here
        yield TestServer(server, clock, WINDOW)


@attrs.define(eq=False)
class Membership:
    role: int
    visible_from: int
    read_seq: int


@attrs.define(eq=False)
class Group:
    """`log` holds (class of the event, sender, text or name), the first at seq 1."""

    group_id: int
    name: str
    history: bool
    log: list[tuple[str, int, str]] = attrs.field(factory=list)
    members: dict[int, Membership] = attrs.field(factory=dict)

    def unread(self, read_seq: int) -> int:
        return sum(kind == "Message" for kind, _, _ in self.log[read_seq:])


@attrs.define(eq=False)
class Account:
    name: str
    user_id: int
    token: bytes
    done: list[tuple[Any, Any]] = attrs.field(factory=list)
    """(command, reply) of every change that took effect."""


@attrs.define(eq=False)
class Device:
    """A connection, and what its user's client should have heard over it."""

    account: Account
    client: Client
    expected: list[Any] = attrs.field(factory=list)


def seen(event: Any) -> Any:
    """An event as the model says it: (group, seq, class, sender, text or name), or (class, group[, seq])."""
    if isinstance(event, Added):
        return "Added", event.group.group_id
    if isinstance(event, Removed):
        return "Removed", event.group_id
    if isinstance(event, ReadMoved):
        return "ReadMoved", event.group_id, event.read_seq
    text = getattr(event, "text", getattr(event, "name", ""))
    return event.group_id, event.seq, type(event).__name__, event.sender_id, text


class Chat(RuleBasedStateMachine):
    devices = Bundle("devices")
    groups = Bundle("groups")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = GuestWorld()
        self.accounts: list[Account] = []
        self.live: list[Device] = []
        self.all_groups: list[Group] = []
        self.starts = 0
        self.server, self.leave = self._open()

    def _open(self) -> Any:
        self.starts += 1
        return self.world.enter(serving(Path(self.folder.name) / "data", self.starts))

    # What the rules are made of.

    def _ask(self, device: Device, command: Any) -> Any:
        """The reply, or the code of the refusal. The model takes note of what took effect."""
        try:
            reply = self.world.call(device.client.ask, command)
        except RefusedError as error:
            return error.code
        if hasattr(command, "client_id"):
            device.account.done.append((command, reply))
        return reply

    def _tell(self, user_ids: Any, what: Any) -> None:
        for device in self.live:
            if device.account.user_id in user_ids:
                device.expected.append(what)

    def _append(self, group: Group, kind: str, sender: int, text: str = "") -> int:
        """The next event of a group; all who are members now hear it."""
        group.log.append((kind, sender, text))
        self._tell(group.members, (group.group_id, len(group.log), kind, sender, text))
        return len(group.log)

    def _connect(self, account: Account) -> Device:
        async def resume() -> Client:
            return await (await connect(self.server)).resume(account.token)

        device = Device(account, self.world.call(resume))
        self.live.append(device)
        return device

    def _usable(self, device: Device) -> Device:
        """This device, or if it is gone another of the same person, connected if need be."""
        if device in self.live:
            return device
        others = [each for each in self.live if each.account is device.account]
        return others[0] if others else self._connect(device.account)

    # The rules.

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
        if len(self.accounts) >= 5:
            return multiple()
        return self._register(f"user{len(self.accounts)}")

    @rule(who=st.integers(0, 4))
    def register_a_name_that_is_taken(self, who: int) -> None:
        name = self.accounts[who % len(self.accounts)].name.upper()

        async def register() -> None:
            await (await connect(self.server)).register(name)

        with pytest.raises(RefusedError, match="name_taken"):
            self.world.call(register)

    @rule(target=devices, device=devices)
    def another_device(self, device: Device) -> Any:
        if len(self.live) >= 8:
            return multiple()
        return self._connect(device.account)

    @rule(device=devices)
    def lose_the_connection(self, device: Device) -> None:
        if device in self.live:
            self._check_heard(device)
            self.live.remove(device)
            self.world.call(device.client.stream.aclose)

    @rule(target=groups, device=devices, who=st.sets(st.integers(0, 4), max_size=3), history=st.booleans())
    def make_group(self, device: Device, who: set[int], history: bool) -> Any:
        device = self._usable(device)
        mine = device.account.user_id
        others = [self.accounts[n].user_id for n in sorted(who) if n < len(self.accounts)]
        name = f"group {len(self.all_groups)}"
        reply = self._ask(device, MakeGroup(device.client.new_id(), name, tuple(others), history))
        assert reply.seq == 1
        group = Group(reply.group_id, name, history)
        self._append(group, "GroupCreated", mine, name)
        for user_id in dict.fromkeys([mine, *others]):
            group.members[user_id] = Membership(OWNER if user_id == mine else MEMBER, 0, 1)
            self._tell([user_id], ("Added", group.group_id))
        self.all_groups.append(group)
        return group

    @rule(device=devices, group=groups, who=st.integers(0, 4))
    def add(self, device: Device, group: Group, who: int) -> None:
        device = self._usable(device)
        mine, theirs = device.account.user_id, self.accounts[who % len(self.accounts)].user_id
        reply = self._ask(device, AddMembers(device.client.new_id(), group.group_id, (theirs,)))
        if mine not in group.members:
            assert reply == "group_unknown"
        elif theirs in group.members:
            assert reply == "already_member"
        else:
            before = len(group.log)
            assert reply.seq == self._append(group, "MembersAdded", mine)
            group.members[theirs] = Membership(MEMBER, 0 if group.history else before, before + 1)
            self._tell([theirs], ("Added", group.group_id))

    @rule(device=devices, group=groups, who=st.integers(0, 4))
    def remove(self, device: Device, group: Group, who: int) -> None:
        device = self._usable(device)
        mine, theirs = device.account.user_id, self.accounts[who % len(self.accounts)].user_id
        reply = self._ask(device, RemoveMember(device.client.new_id(), group.group_id, theirs))
        if mine not in group.members:
            assert reply == "group_unknown"
        elif group.members[mine].role < OWNER:
            assert reply in ("forbidden", "not_member")
        elif theirs not in group.members:
            assert reply == "not_member"
        elif mine == theirs:
            assert reply == "forbidden"
        else:
            self._part(group, mine, theirs, reply)

    @rule(device=devices, group=groups)
    def go(self, device: Device, group: Group) -> None:
        device = self._usable(device)
        mine = device.account.user_id
        reply = self._ask(device, LeaveGroup(device.client.new_id(), group.group_id))
        if mine not in group.members:
            assert reply == "group_unknown"
        elif group.members[mine].role == OWNER and len(group.members) > 1:
            assert reply == "owner_must_stay"
        else:
            self._part(group, mine, mine, reply)

    def _part(self, group: Group, actor: int, user_id: int, reply: Any) -> None:
        del group.members[user_id]
        self._tell([user_id], ("Removed", group.group_id))
        assert reply.seq == self._append(group, "MemberRemoved", actor)

    @rule(device=devices, group=groups, name=st.text("ab", min_size=1, max_size=3))
    def rename(self, device: Device, group: Group, name: str) -> None:
        device = self._usable(device)
        mine = device.account.user_id
        reply = self._ask(device, RenameGroup(device.client.new_id(), group.group_id, name))
        if mine not in group.members:
            assert reply == "group_unknown"
        elif group.members[mine].role < OWNER:
            assert reply == "forbidden"
        else:
            group.name = name
            assert reply.seq == self._append(group, "GroupRenamed", mine, name)

    @rule(device=devices, group=groups, texts=st.lists(st.sampled_from(["a", "b", "", "long " * 900]), min_size=1))
    def say(self, device: Device, group: Group, texts: list[str]) -> None:
        """Several at once, without waiting between them."""
        device = self._usable(device)
        mine = device.account.user_id
        commands = [Send(device.client.new_id(), group.group_id, text) for text in texts]

        async def send() -> list[Any]:
            ids = [await device.client.start(command) for command in commands]
            replies: list[Any] = []
            for request_id in ids:
                try:
                    replies.append(await device.client.answer(request_id))
                except RefusedError as error:
                    replies.append(error.code)
            return replies

        for command, reply in zip(commands, self.world.call(send), strict=True):
            if mine not in group.members:
                assert reply == "group_unknown"
            elif not command.text:
                assert reply == "text_empty"
            else:
                assert reply.seq == self._append(group, "Message", mine, command.text)
                assert reply.ordinal == group.unread(0)
                group.members[mine].read_seq = reply.seq
                device.account.done.append((command, reply))

    @rule(device=devices, which=st.integers(0, 1000), altered=st.booleans())
    def retry(self, device: Device, which: int, altered: bool) -> None:
        """Any earlier change, on any device, after whatever happened since: no second effect."""
        device = self._usable(device)
        if not device.account.done:
            return
        command, reply = device.account.done[which % len(device.account.done)]
        if altered:
            if isinstance(command, Send):
                assert self._ask(device, attrs.evolve(command, text="altered")) == "client_id_conflict"
            assert self._ask(device, RenameGroup(command.client_id, 12345, "altered")) == "client_id_conflict"
        again = self.world.call(device.client.ask, command)
        assert again == reply

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

    @rule()
    def restart(self) -> None:
        for device in self.live:
            self._check_heard(device)
        self.leave()
        for device in self.live:
            self.world.call(device.client.until_end)
            assert any(isinstance(event, Draining) for event in device.client.events)
        self.live.clear()
        self.server, self.leave = self._open()

    @rule(seconds=st.sampled_from([1, 31, 200]))
    def time_passes(self, seconds: int) -> None:
        self.world.call(trio.sleep, seconds)

    # What has to be true.

    def _check_heard(self, device: Device) -> None:
        heard = [seen(event) for event in self.world.call(device.client.settle)]
        assert heard == device.expected
        device.expected.clear()

    @rule(device=devices)
    def hear(self, device: Device) -> None:
        if device in self.live:
            self._check_heard(device)

    @rule(device=devices)
    def look(self, device: Device) -> None:
        """The list of groups, history, and catching up, as this person sees them."""
        device = self._usable(device)
        mine = device.account.user_id
        listed = self._ask(device, ListGroups()).groups
        expected = {
            group.group_id: (
                group.name, member.role, len(group.members), len(group.log), member.read_seq,
                group.unread(member.read_seq), member.visible_from,
            )
            for group in self.all_groups
            if (member := group.members.get(mine)) is not None
        }  # fmt: skip
        assert {
            each.group_id: (
                each.name, each.role, each.members, each.seq, each.read_seq, each.ordinal - each.read_ordinal,
                each.visible_from,
            )
            for each in listed
        } == expected  # fmt: skip
        for group in self.all_groups:
            if group.group_id not in expected:
                continue
            visible = group.members[mine].visible_from
            events = self.world.call(device.client.history, group.group_id)
            assert [seen(event) for event in events] == [
                (group.group_id, seq, *entry) for seq, entry in enumerate(group.log, 1) if seq > visible
            ]
        ranges = tuple(Range(group.group_id, 0) for group in self.all_groups)
        progress = self._ask(device, CatchUp(ranges)).groups
        assert {each.group_id for each in progress} == set(expected)
        assert all(each.seq == expected[each.group_id][3] for each in progress)

    def teardown(self) -> None:
        try:
            for device in self.live:
                self._check_heard(device)
            for account in self.accounts:
                self.look(next((each for each in self.live if each.account is account), None) or self._connect(account))
            storage = self.server.server.services.storage
            for check in (history.check, audit.check):
                assert self.world.call(storage.read, lambda conn, check=check: list(check(conn))) == []
            self.leave()
        finally:
            self.world.close()
            self.folder.cleanup()


TestChat = Chat.TestCase
TestChat.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
