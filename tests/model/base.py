"""What all rules of the machine are made of: the server, its devices, asking, and checking what was heard."""

import tempfile
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
from hypothesis.stateful import Bundle, RuleBasedStateMachine
from support.guest_world import GuestWorld
from support.server_kit import Client, RefusedError, connect

from chatsrv import open_server
from chatsrv.clock import SeededRandomness, VirtualClock
from chatsrv.testing import QUICK, TestServer
from chatsrv.transport.memory import WINDOW
from chatsrv_protocol.common import Draining
from chatsrv_protocol.face_to_face import LobbyChanged, LobbyClosed
from chatsrv_storage.interface import open_storage
from model.device import Device, seen
from model.truth import EDIT_WITHIN, RECALL_WITHIN, Account, Group, Lobby

CONFIG = attrs.evolve(
    QUICK, login_attempts=10_000, heartbeat=1e6, edit_within=EDIT_WITHIN / 1000, recall_within=RECALL_WITHIN / 1000
)
MAX_ACCOUNTS, MAX_DEVICES = 5, 8
TOLD = 0.3
"""Seconds after which changes of a lobby have been told."""

devices: Bundle[Device] = Bundle("devices")
groups: Bundle[Group] = Bundle("groups")


@asynccontextmanager
async def serving(folder: Path, seed: int) -> AsyncGenerator[TestServer]:
    """A server on a folder; its clock starts again where it started the last time."""
    clock = VirtualClock()
    storage = open_storage(folder, inline=True, synchronous="OFF")
    opened = open_server(CONFIG, clock=clock, randomness=SeededRandomness(seed), storage=storage)
    async with opened as server:
        server.services.registrations.burst = 1e9  # nearly no time passes here
        yield TestServer(server, clock, WINDOW)


class Base(RuleBasedStateMachine):
    """The state: what is true, and the devices, of which `live` are connected."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = GuestWorld()
        self.accounts: list[Account] = []
        self.live: list[Device] = []
        self.all_groups: list[Group] = []
        self.lobbies: list[Lobby] = []
        self.waits_in: dict[int, Lobby] = {}
        self.starts = 0
        self.server, self.leave = self._open()

    def _open(self) -> Any:
        self.starts += 1
        return self.world.enter(serving(Path(self.folder.name) / "data", self.starts))

    def _now(self) -> tuple[int, int]:
        """Milliseconds on the server's wall clock, and on the monotonic one. Nothing moves them but time_passes and checks."""

        async def now() -> tuple[int, int]:
            return self.server.clock.now_ms(), round(trio.current_time() * 1000)

        return self.world.call(now)

    def _account(self, who: int) -> Account:
        return self.accounts[who % len(self.accounts)]

    # Asking and telling.

    def _ask(self, device: Device, command: Any) -> Any:
        """The reply, or the code of the refusal. The model takes note of what took effect."""
        try:
            reply = self.world.call(self._client(device).ask, command)
        except RefusedError as error:
            return error.code
        if hasattr(command, "client_id"):
            device.account.done.append((command, reply))
        return reply

    def _client(self, device: Device) -> Client:
        assert device.client is not None
        return device.client

    def _new_id(self, device: Device) -> bytes:
        return self._client(device).new_id()

    def _tell(self, user_ids: Iterable[int], what: Any) -> None:
        told = [*user_ids]
        for device in self.live:
            if device.account.user_id in told:
                device.expected.append(what)

    def _append(self, group: Group, kind: str, sender: int, detail: Any = "") -> int:
        """The next event of a group; all who are members now hear it, as it is now."""
        group.log.append((kind, sender, detail))
        seq = len(group.log)
        for user_id, member in group.members.items():
            self._tell([user_id], group.event(seq, member.visible_from))
        return seq

    def _changed(self, group: Group, reply: Any, kind: str, sender: int, detail: Any = "") -> None:
        """A command took effect as one event."""
        assert (reply.group_id, reply.seq) == (group.group_id, self._append(group, kind, sender, detail)), kind

    # Devices.

    def _connect(self, device: Device) -> Device:
        async def resume() -> None:
            device.client = await (await connect(self.server)).resume(device.account.token)
            await device.show_page()

        self._pass()  # whoever was away for longer than the grace is off the page before they come back
        self.world.call(resume)
        device.account.gone_since = None
        self.live.append(device)
        return device

    def _usable(self, device: Device) -> Device:
        """This device, or if it is cut off another of the same person, connected if need be."""
        if device in self.live:
            return device
        others = [each for each in self.live if each.account is device.account]
        return others[0] if others else self._connect(device)

    def _cut(self, device: Device) -> None:
        """The connection is gone, and what it had not read."""
        self.world.call(self._client(device).stream.aclose)
        self.live.remove(device)
        device.client = None
        device.expected.clear()
        if all(each.account is not device.account for each in self.live):
            device.account.gone_since = self._now()[1]

    def _drained(self) -> None:
        """The server stops, and everybody is told."""
        self.leave()
        for device in self.live:
            client = self._client(device)
            self.world.call(client.until_end)
            assert any(isinstance(event, Draining) for event in client.events)
            device.client = None
            device.expected.clear()
        self.live.clear()

    # What was heard.

    def _check_heard(self, device: Device) -> None:
        """Exactly what it should have heard, in that order; and the waiting page is that of all who wait."""

        async def hear() -> list[Any]:
            await trio.sleep(TOLD)
            return await self._client(device).settle()

        events = self.world.call(hear)
        of_lobbies = [event for event in events if isinstance(event, LobbyChanged | LobbyClosed)]
        others = [event for event in events if not isinstance(event, LobbyChanged | LobbyClosed)]
        assert [seen(event) for event in others] == device.expected
        device.expected.clear()
        device.hear(others)
        self.world.call(device.turn_pages, of_lobbies)
        self._check_page(device)

    def _pass(self) -> tuple[int, int]:
        raise NotImplementedError

    def _check_page(self, device: Device) -> None:
        raise NotImplementedError
