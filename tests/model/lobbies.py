"""Rules: people in one place enter the same code, see each other wait, and enter a group; a code outlives a restart."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import multiple, rule

from chatsrv_protocol.face_to_face import EnterCode, EnterGroup, LeaveLobby, Position
from chatsrv_protocol.groups import GroupRules
from model.base import devices, groups
from model.device import Device
from model.people import People
from model.truth import ATTEMPTS, GRACE, MEMBER, OWNER, WINDOW, Account, Group, Lobby

PLACES = (None, Position(31_230_000, 121_470_000), Position(39_900_000, 116_400_000))
"""On this network, in Shanghai, and in Beijing."""


class Lobbies(People):
    def _pass(self) -> tuple[int, int]:
        """Let the time in the model follow; answers it (wall, monotonic)."""
        wall, now = self._now()
        for account in self.accounts:
            if account.gone_since is not None and account.gone_since + GRACE <= now:
                self._leave(account)
        for lobby in [each for each in self.lobbies if each.ends_at <= now]:
            self.lobbies.remove(lobby)
            for user_id in [user_id for user_id, waits in self.waits_in.items() if waits is lobby]:
                del self.waits_in[user_id]
        return wall, now

    def _leave(self, account: Account) -> None:
        lobby = self.waits_in.pop(account.user_id, None)
        if lobby is not None:
            del lobby.guests[account.user_id]
            if not lobby.guests and lobby.group is None:
                self.lobbies.remove(lobby)

    def _check_page(self, device: Device) -> None:
        self._pass()
        lobby = self.waits_in.get(device.account.user_id)
        if lobby is None:
            assert device.page is None
            return
        assert device.page is not None
        assert (device.page.code, device.page.expires_at) == (lobby.code, lobby.expires_at)
        assert {one.user_id: one.entered for one in device.page.people} == lobby.guests
        names = {account.user_id: account.name for account in self.accounts}
        assert all(one.name == names[one.user_id] for one in device.page.people)

    @rule(device=devices, code=st.sampled_from(["1234", "0000"]), place=st.sampled_from(PLACES))
    def enter_code(self, device: Device, code: str, place: Position | None) -> None:
        device = self._usable(device)
        account = device.account
        wall, now = self._pass()
        reply = self._ask(device, EnterCode(code, place))
        there = next((each for each in self.lobbies if (each.code, each.place) == (code, place)), None)
        if there is None or self.waits_in.get(account.user_id) is not there:
            account.attempts = [at for at in account.attempts if at > now - WINDOW]
            if len(account.attempts) == ATTEMPTS:
                assert reply == "rate_limited"
                return
            account.attempts.append(now)
            self._leave(account)
            if there is None or there not in self.lobbies:
                there = Lobby(code, place, now + WINDOW, wall + WINDOW)
                self.lobbies.append(there)
            there.guests[account.user_id] = False
            self.waits_in[account.user_id] = there
        device.page = reply
        self._check_page(device)

    @rule(device=devices)
    def leave_lobby(self, device: Device) -> None:
        device = self._usable(device)
        self._pass()
        self._ask(device, LeaveLobby())
        self._leave(device.account)

    @rule(target=groups, device=devices)
    def enter_group(self, device: Device) -> Any:
        """The first makes it, the others come in; all get the same answer."""
        device = self._usable(device)
        mine = device.account.user_id
        wall, _ = self._pass()
        lobby = self.waits_in.get(mine)
        reply = self._ask(device, EnterGroup(self._new_id(device)))
        if lobby is None:
            assert reply == "lobby_over"
            return multiple()
        group, made = lobby.group, lobby.group is None
        if group is None:
            names = {account.user_id: account.name for account in self.accounts}
            name = ", ".join(names[user_id] for user_id in lobby.guests)
            group = lobby.group = Group(reply.group_id, name, GroupRules())
            self.all_groups.append(group)
            assert reply.seq == self._append(group, "GroupCreated", mine, name)
            self._enter(group, mine, OWNER, 0)
        elif not group.members:  # dissolved
            assert reply == "lobby_over"
            return multiple()
        elif mine not in group.members:
            if mine in group.removed or group.rules.invite > MEMBER:
                assert reply == "lobby_over"
                return multiple()
            if group.bans.get(mine, 0) > wall:
                assert reply == "banned"
                return multiple()
            assert reply.seq == self._admit(group, mine, mine)
        assert (reply.group_id, reply.name, reply.waiting) == (group.group_id, group.name, False)
        lobby.guests[mine] = True
        del self.waits_in[mine]
        return group if made else multiple()

    @rule()
    def restart(self) -> None:
        """Nobody waits any more; the codes whose groups exist stay good, for no longer than before."""
        for device in [*self.live]:
            self._check_heard(device)
        self._drained()
        self.server, self.leave = self._open()
        wall, now = self._now()
        self.waits_in.clear()
        for account in self.accounts:
            account.gone_since = None
            account.attempts.clear()
        self.lobbies = [lobby for lobby in self.lobbies if lobby.group is not None and lobby.expires_at > wall]
        for lobby in self.lobbies:
            assert lobby.group is not None
            lobby.ends_at = now + min(lobby.expires_at - wall, WINDOW)
            lobby.guests = dict.fromkeys(lobby.group.members, True)
