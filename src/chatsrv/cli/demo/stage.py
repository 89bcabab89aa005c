"""Where the demo happens: the server, the people on it, what the audience is shown, and the verification at the end."""

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from chatsrv.app import Server, open_server
from chatsrv.cli.commands.data_folder import through_the_server
from chatsrv.cli.demo.people import PATIENCE, DemoPerson
from chatsrv.cli.demo.verification import verify_heard
from chatsrv.cli.events import clock, event_record, sentence_of
from chatsrv.cli.output import Output
from chatsrv.config import Config
from chatsrv_protocol import UnknownEvent

if TYPE_CHECKING:
    from chatsrv.client.events import SequenceEvent


class Stage:
    """What a scene works with: `people` by name, `say` to tell the audience what happens, `server` and `restart`."""

    def __init__(self, out: Output, folder: Path, nursery: trio.Nursery) -> None:
        self.out = out
        self.people: dict[str, DemoPerson] = {}
        self.groups: dict[str, int] = {}
        self.devices: list[DemoPerson] = []
        self.urls: dict[str, str] = {}
        self._nursery = nursery
        self._config = Config(
            data=folder,
            tcp="127.0.0.1:0",
            ws="127.0.0.1:0",
            http="127.0.0.1:0",
            stop_timeout=1.0,
            password_time=1,  # quick hashes: the demo's passwords are in its source
            password_memory=1024,
        )
        self._server: Server | None = None
        self._stopped = trio.Event()
        self._shown: dict[int, int] = {}
        self.quiet = False  # events are not shown one by one, because there are many

    # The server.

    async def start_server(self) -> None:
        """Start it; the second time on the ports of the first."""
        self._stopped = trio.Event()
        server: Server = await self._nursery.start(self._serve)
        self._server = server
        self.urls = {url.partition(":")[0]: url for url in server.urls}
        addresses = {scheme: url.partition("://")[2] for scheme, url in self.urls.items()}
        self._config = attrs.evolve(self._config, **addresses)

    async def _serve(self, task_status: trio.TaskStatus[Server]) -> None:
        async with open_server(self._config) as server:
            task_status.started(server)
            await server.wait_stopping()
        self._stopped.set()

    async def stop_server(self) -> None:
        """Stop it gracefully."""
        assert self._server is not None
        self._server.stop()
        await self._stopped.wait()

    async def make_operator(self, name: str) -> None:
        """Give somebody the rights of an operator, as `chatsrv operator add` does while a server runs."""
        assert self._config.data is not None
        await through_the_server(self._config.data, {"do": "add", "name": name}, in_use="The demo's server runs.")

    # The people.

    async def enter(self, name: str, over: str) -> DemoPerson:
        """Return somebody new, connected over `tcp` or `ws`."""
        person = await self._connect(name, over, new=True)
        self.people[name] = person
        return person

    async def enter_again(self, name: str, over: str) -> DemoPerson:
        """Return somebody who is here already, on another device."""
        return await self._connect(name, over, new=False)

    async def _connect(self, name: str, over: str, *, new: bool) -> DemoPerson:
        person = DemoPerson(name, self.urls[over], self._on_event)
        with trio.fail_after(PATIENCE):
            await self._nursery.start(person.live, new)
        self.devices.append(person)
        return person

    async def everybody_heard(self, group_id: int, seq: int, but: tuple[str, ...] = ()) -> None:
        """Wait until all devices of those who are in the group were told of an event."""
        for person in self.devices:
            if group_id in person.begins_at and person.name not in but and not person.away:
                await person.until_heard(group_id, seq)

    # The audience.

    def say(self, sentence: str) -> None:
        """Tell the audience what is about to happen or did."""
        if self.out.json:
            self.out.record({"say": sentence})
        else:
            self.out.line(f"  {sentence}")

    def title(self, number: int, title: str) -> None:
        """Print the title of a scene that begins."""
        if self.out.json:
            self.out.record({"scene": number, "title": title})
            return
        from rich.text import Text

        self.out.console.print(Text(f"\n{number}. {title}", style="bold"))

    def _on_event(self, person: DemoPerson, event: "SequenceEvent") -> None:
        """Show each event once: when the first person hears of it."""
        if event.seq <= self._shown.get(event.group_id, 0):
            return
        self._shown[event.group_id] = event.seq
        if self.quiet:
            return
        if self.out.json:
            self.out.record(event_record(event))
            return
        assert not isinstance(event, UnknownEvent), "the demo's server is of this version"
        who, what, notice = sentence_of(event)
        self.out.spoken(f"  {clock(event.sent_at)} #{event.seq:<3}", who, what, notice=notice)

    async def verify(self) -> int:
        """Check that everybody saw what the server has stored, in its order, without gap or double; return how many events."""
        return await verify_heard(self.groups, self.devices)
