"""Hypothesis drives clients against a real server and against a few dicts that say what should be true (tests/model).

One machine for all that people do: accounts and devices that are cut and come back, groups and how they are governed,
messages, answers, edits, recalls, reactions and pins, cursors, retries (also altered ones), face-to-face codes, and
restarts with the clock set back. After any sequence of them each device has heard exactly the events of the times when
its user was a member and it was connected, in order; history, the list of groups, unread counts and pages of lobbies
are those of the model; all devices of a person show the same; and the database's own checks find nothing.
"""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import rule
from model.base import devices
from model.device import Device, seen
from model.governing import Governing
from model.lobbies import Lobbies
from model.talking import Talking
from model.truth import ADMIN, Group

from chatsrv_protocol.conversation import ListPins, ListReactions, ListVersions
from chatsrv_protocol.groups import ShowGroup
from chatsrv_protocol.sync import CatchUp, ListGroups, Range
from chatsrv_storage.accounts import audit_log
from chatsrv_storage.messages import history


class Chat(Talking, Governing, Lobbies):
    @rule(device=devices)
    def look(self, device: Device) -> None:
        """The list of groups, history, and catching up, as this person sees them."""
        device = self._usable(device)
        mine = device.account.user_id
        listed = {each.group_id: each for each in self._ask(device, ListGroups()).groups}
        mine_now = [group for group in self.all_groups if mine in group.members]
        assert listed.keys() == {group.group_id for group in mine_now}
        for group in mine_now:
            assert _as_listed(listed[group.group_id]) == _as_true(group, mine)
            visible = group.members[mine].visible_from
            events = self.world.call(self._client(device).history, group.group_id)
            assert [seen(event) for event in events] == [
                group.event(seq, visible) for seq in range(visible + 1, len(group.log) + 1)
            ]
            self._look_closer(device, group)
        ranges = tuple(Range(group.group_id, 0) for group in self.all_groups)
        progress = self._ask(device, CatchUp(ranges)).groups
        assert {each.group_id: each.seq for each in progress} == {group.group_id: len(group.log) for group in mine_now}

    def _look_closer(self, device: Device, group: Group) -> None:
        """The notice, pins and reactions, and (as an admin) what was edited away."""
        member = group.members[device.account.user_id]
        assert self._ask(device, ShowGroup(group.group_id)).notice == group.notice
        pins = [pin.of for pin in self._ask(device, ListPins(group.group_id)).pins]
        assert pins == [seq for seq in group.pins() if seq > member.visible_from]
        for seq, said in group.said.items():
            if said.recalled or seq <= member.visible_from:
                continue
            if said.reactions:
                found = self._ask(device, ListReactions(group.group_id, seq)).reactions
                assert {(one.user_id, one.emoji): one.seq for one in found} == said.reactions
            if said.edited_seq:
                versions = self._ask(device, ListVersions(group.group_id, seq))
                if member.role < ADMIN:
                    assert versions == "forbidden"
                else:
                    assert [one.text for one in versions.versions] == said.versions

    @rule(device=devices)
    def compare_devices(self, device: Device) -> None:
        """All connected devices of a person catch up; then they show the same, as one that has just fetched it all."""
        self._compare(self._usable(device))

    def _compare(self, one: Device) -> None:
        together = [device for device in self.live if device.account is one.account]
        for device in together:
            self._check_heard(device)
            self.world.call(device.catch_up)
        for group in self._ask(one, ListGroups()).groups:
            wanted = _shown(self.world.call(one.fresh, group))
            for device in together:
                assert _shown(device.views[group.group_id]) == wanted
        assert all(device.views.keys() == one.views.keys() for device in together)

    def teardown(self) -> None:
        try:
            for device in [*self.live]:
                self._check_heard(device)
            for account in self.accounts:
                device = next((each for each in self.live if each.account is account), None)
                device = device or self._connect(Device(account, None))
                self.look(device)
                self._compare(device)
            storage = self.server.server.services.storage
            for check in (history.check, audit_log.check):
                assert self.world.call(storage.read, lambda conn, check=check: list(check(conn))) == []
            self.leave()
        finally:
            self.world.close()
            self.folder.cleanup()


def _as_listed(group: Any) -> Any:
    return (
        group.name, group.role, group.members, group.seq, group.read_seq, group.ordinal - group.read_ordinal - group.own_above,
        group.visible_from, group.mentions, group.quiet, group.nickname, group.muted_until, group.rules,
        group.last and (group.last.seq, group.last.text, group.last.recalled),
    )  # fmt: skip


def _as_true(group: Group, user_id: int) -> Any:
    member = group.members[user_id]
    last = max(group.said, default=0)
    preview = (last, group.said[last].text[:60], group.said[last].recalled) if last > member.visible_from else None
    return (
        group.name, member.role, len(group.members), len(group.log), member.read_seq, group.unread(user_id),
        member.visible_from, group.called(user_id), member.quiet, member.nickname, group.muted.get(user_id, 0), group.rules,
        preview,
    )  # fmt: skip


def _shown(view: Any) -> Any:
    return view.messages(), view.pins(), view.seq, view.unread, view.read_seq, view.quiet


TestChat = Chat.TestCase
TestChat.settings = settings(
    max_examples=250,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
