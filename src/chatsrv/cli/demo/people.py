"""The people of the demo: each a client over a connection of its own, who remembers every event it was told."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import attrs
import trio

from chatsrv.cli.errors import Failure
from chatsrv.client import Client, Disconnected, open_client, parse_url
from chatsrv_protocol import NUMBER_OF, is_sequence_event
from chatsrv_protocol.groups import Added, Removed

PASSWORD = "demo demo"  # noqa: S105 - of accounts that live for seconds on a loopback address
PATIENCE = 10.0
"""Seconds that anything in the demo may take; it takes milliseconds."""

if TYPE_CHECKING:
    from chatsrv.client.events import Event, SequenceEvent


@attrs.define(slots=True)
class DemoPerson:
    """Somebody, on one device. `heard` is what they were told, by group, in the order in which they were told it."""

    name: str
    url: str
    on_event: "Callable[[DemoPerson, SequenceEvent], None]"
    _client: Client | None = None
    heard: "dict[int, list[SequenceEvent]]" = attrs.field(factory=dict)
    begins_at: dict[int, int] = attrs.field(factory=dict[int, int])
    gone_at: dict[int, int] = attrs.field(factory=dict[int, int])
    lost: int = 0
    away: bool = False
    patience: float = PATIENCE
    _stream: trio.SocketStream | None = None
    _news: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    @property
    def client(self) -> Client:
        """The connection; after `live` has started."""
        assert self._client is not None
        return self._client

    @property
    def over(self) -> str:
        """How they are connected."""
        return parse_url(self.url).scheme

    async def live(self, new: bool, task_status: trio.TaskStatus[None]) -> None:
        """Register (or log in on another device), and listen until cancelled."""
        server = self.url if self.over == "ws" else self._dial
        async with open_client(server, agent="chatsrv-demo", fraction=lambda: 0.05) as client:
            self._client = client
            enter = client.register if new else client.login
            await enter(self.name, PASSWORD, device="demo")
            for group in await client.groups.list():
                self.begins_at[group.group_id] = (client.position(group.group_id) or 0) + 1
            task_status.started()
            async for event in client.events():
                self._take(event)

    async def _dial(self) -> trio.SocketStream:
        """A TCP connection that `lose_connection` can cut, and none while away."""
        if self.away:
            raise OSError("no network here")
        target = parse_url(self.url)
        self._stream = await trio.open_tcp_stream(target.host, target.port)
        return self._stream

    async def lose_connection(self) -> None:
        """Cut it as a dead network does, and stay away until `away` is false again."""
        assert self._stream is not None
        self.away = True
        await trio.aclose_forcefully(self._stream)

    def _take(self, event: "Event") -> None:
        if type(event) in NUMBER_OF and is_sequence_event(NUMBER_OF[type(event)]):
            told = cast("SequenceEvent", event)
            self.heard.setdefault(told.group_id, []).append(told)
            self.on_event(self, told)
        elif isinstance(event, Added):
            self.begins_at.setdefault(event.group.group_id, event.group.read_seq)
        elif isinstance(event, Removed):
            # Who learns of it from the list, after a connection was lost, is not told with which event it was.
            self.gone_at[event.group_id] = event.seq or self.last(event.group_id) + 1
        elif isinstance(event, Disconnected):
            self.lost += 1
        self._news.unpark_all()

    def last(self, group_id: int) -> int:
        """The latest event they were told of in a group."""
        heard = self.heard.get(group_id)
        return heard[-1].seq if heard else 0

    async def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait for something that an event brings about. Raises Failure if it does not come."""
        with trio.move_on_after(self.patience):
            while not is_so():
                await self._news.park()
            return
        raise Failure(f"{self.name} waited in vain: {what}")

    async def until_heard(self, group_id: int, seq: int) -> None:
        """Wait until they were told of this event."""
        await self.until(lambda: self.last(group_id) >= seq, f"event {seq} never came")
