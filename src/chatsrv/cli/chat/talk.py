"""A chat without its display: groups and their messages, unread counts, who is online, and the lines that are typed.

Runs in Trio, over the client library, and tells a Screen what to show; the full screen (Textual, which Trio visits as a
guest) and the line mode are both Screens. Nothing here is a server's: no storage is loaded in a terminal.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

import attrs
import trio

from chatsrv.cli.chat.inside import ChatOnline, ChatOutput
from chatsrv.cli.chat.lines import TypedLine, TypedLines, unsent
from chatsrv.cli.chat.reports import ReadReport, TypingReport
from chatsrv.cli.chat.room import PresentPerson, Room, Screen
from chatsrv.cli.chat.slash import CHAT_ONLY_COMMANDS, help_rows, prepare
from chatsrv.cli.commands.face_to_face import show_page, why_closed
from chatsrv.cli.errors import Failure
from chatsrv.cli.exit import ending_of
from chatsrv.cli.lookup import choose_group
from chatsrv.cli.mentions import resolve_mentions
from chatsrv.cli.online import CommandContext
from chatsrv.client import ClientError, Connected, Disconnected, Reconnecting
from chatsrv_protocol import NUMBER_OF, UnknownEvent, is_sequence_event
from chatsrv_protocol.conversation import QuietSet
from chatsrv_protocol.face_to_face import LobbyChanged, LobbyClosed
from chatsrv_protocol.groups import Added, Group, GroupRenamed, Removed
from chatsrv_protocol.limits import MAX_PAGE
from chatsrv_protocol.presence import PresenceChanged, TypingNow
from chatsrv_protocol.sync import ReadMoved

BACKLOG: Final = 50
"""Events shown of a group when it is opened; with more unread, a page of MAX_PAGE."""

WATCHED: Final = 200
"""Members whose coming and going is shown."""

LAST_LOOK: Final = 2.0
"""Seconds to wait for one's own last message to be shown, when nothing more is typed."""


class Talk:
    """One user's chat. Its life is the task `run`; `enter`, `go` and `quit` come from the keyboard, at any time."""

    def __init__(self, here: CommandContext, screen: Screen, wanted: str | None, *, colours: bool) -> None:
        self.rooms: dict[int, Room] = {}
        self.current: Room | None = None
        self.me = ""
        self._user_id = 0
        self._here = here
        self._screen = screen
        self._wanted = wanted
        self._output = ChatOutput(screen, colours=colours, json=here.out.json)
        self._people: dict[int, PresentPerson] = {}
        self._lines = TypedLines()
        self._nursery: trio.Nursery | None = None
        self._scope = trio.CancelScope()
        self._reading = ReadReport()
        self._sent = 0
        self._loading = self._warned = False
        self._typing = TypingReport()
        self._failure: Exception | None = None

    def enter(self, text: str) -> bool:
        """Queue a typed line (a message, or a command with its slash); return False if too many wait.

        A message goes to the group that is on the screen now, whatever is by the time it can be sent.
        """
        if not self._lines.has_room():
            return False
        self._show_pending(self._lines.put_nowait(text, self.current))
        return True

    async def put(self, text: str) -> None:
        """Queue a typed line as `enter` does, and wait for room."""
        self._show_pending(await self._lines.put(text, self.current))

    def _show_pending(self, line: TypedLine) -> None:
        if line.pending is not None and line.room is not None:
            self._screen.update_room(line.room)

    @property
    def unsent(self) -> list[tuple[str, str]]:
        """(group, text) of every line that was typed and is not stored."""
        return unsent(self.rooms.values())

    @property
    def people(self) -> list[str]:
        """The names of those in the group on the screen."""
        return [person.name for person in self._people.values()]

    def next_unread(self) -> bool:
        """Go to the next group with something unread, those that call me first; False where there is none."""
        ids = list(self.rooms)
        at = ids.index(self.current.group_id) + 1 if self.current is not None else 0
        rooms = [self.rooms[group_id] for group_id in [*ids[at:], *ids[:at]]]
        rooms = [room for room in rooms if room is not self.current]
        wanted = [room for room in rooms if room.mentions] or [room for room in rooms if room.unread and not room.quiet]
        if wanted:
            self.go(wanted[0].group_id)
        return bool(wanted)

    def load_older(self) -> None:
        """Fetch what came before the oldest message that is known."""
        room = self.current
        if room is not None and room.opened and not room.complete and not self._loading:
            self._loading = True
            self._soon(lambda: self._load_older(room))

    async def _load_older(self, room: Room) -> None:
        try:
            events, page = await self._client.group(room.group_id).history(before=room.first, newest=True)
            room.complete = not page.more
            room.take_page(events, older=True)
            if room is self.current:
                self._screen.update_room(room)
        finally:
            self._loading = False

    def reached_end(self) -> None:
        """Mark the newest messages as read, or fetch them again after the view was scrolled far back."""
        room = self.current
        if room is None or not room.opened:
            return
        if room.detached:
            self.go_to_end()
        else:
            self._read(room)

    def go_to_end(self) -> None:
        """Show the newest."""
        room = self.current
        if room is not None:
            if room.detached:
                room.let_go()
                room.opened = False
            room.new_after = 0
            self._soon(lambda: self._open(room))

    def typing(self) -> None:
        """Tell the others that a message is being typed, at most every few seconds."""
        room = self.current
        if room is not None and self._typing.is_due():
            self._soon(lambda: self._typing.send(self._client, room.group_id))

    def go(self, group_id: int) -> None:
        """Open another group."""
        room = self.rooms.get(group_id)
        if room is not None:
            self._soon(lambda: self._open(room))

    def step(self, by: int) -> None:
        """Open the next group in the list, or the one before."""
        ids = list(self.rooms)
        if ids:
            at = ids.index(self.current.group_id) if self.current is not None else -by
            self.go(ids[(at + by) % len(ids)])

    def no_more(self) -> None:
        """Take no more input: `run` ends when what was typed is done."""
        self._lines.close()

    def quit(self) -> bool:
        """Leave; False at first where lines are not sent yet: asked once more, it leaves without them."""
        if self.unsent and not self._warned:
            self._warned = True
            return False
        self._scope.cancel()
        return True

    def _soon(self, job: Callable[[], Awaitable[None]]) -> None:
        """Do something beside what is typed."""
        if self._nursery is not None and not self._nursery.cancel_scope.cancel_called:
            self._nursery.start_soon(self._guarded, job)

    async def run(self) -> None:
        """Connect, show, listen and do what is typed, until `quit`, `no_more`, or the end of the session."""
        with self._scope:
            async with self._here.session(follow=True) as client:
                self._client = client
                self._chat = ChatOnline(self._here, client, self._output)
                assert client.me is not None
                self.me, self._user_id = client.me.name, client.me.user_id
                for group in await client.groups.list():
                    self._add(group)
                async with trio.open_nursery() as self._nursery:
                    self._scope = self._nursery.cancel_scope  # who leaves keeps the connection for what was read last
                    self._nursery.start_soon(self._listen, self._nursery)
                    self._nursery.start_soon(self._reading.run, client, self._guarded)
                    await self._begin()
                    async for line in self._lines:
                        if line.text:
                            await self._guarded(partial(self._do, line))
                    with trio.move_on_after(LAST_LOOK):
                        while self.current is not None and self.current.head < self._sent:
                            await trio.sleep(0.02)
                    self._nursery.cancel_scope.cancel()
                if self._failure is not None:
                    raise self._failure

    async def _begin(self) -> None:
        self._screen.show_status(f"{self.me} @ {self._here.server}", connected=True)
        rooms = list(self.rooms.values())
        if self._wanted is not None:
            groups = await self._client.groups.list()
            await self._open(self._add(choose_group(self._chat, groups, self._wanted)))
        elif rooms:
            await self._open(next((room for room in rooms if room.unread), rooms[0]))
        else:
            self._screen.show_rooms([], None)
            self._output.note("you are in no group yet: /create NAME makes one")

    def _add(self, group: Group) -> Room:
        room = self.rooms.setdefault(group.group_id, Room(self._user_id, group.group_id, group.name))
        room.listed(group)
        return room

    async def _guarded(self, job: Callable[[], Awaitable[None]]) -> None:
        """Run a command and show what it raises, so that the chat goes on."""
        try:
            await job()
        except (Failure, ClientError) as error:
            ending = ending_of(error)
            self._output.note(f"✗ {ending.sentence if ending is not None else error}")

    async def _do(self, line: TypedLine) -> None:
        if line.is_command:
            await self._command(line.text[1:].strip())
            return
        room = line.room or self.current  # what was typed before the first group was on the screen
        if room is None:
            raise Failure("choose a group first: /go G, or make one: /create NAME")
        text, pending = line.message, line.pending
        try:
            mentions, everybody = await resolve_mentions(self._client, room.group_id, text)
            self._sent = (
                await self._client.group(room.group_id).send(text, mentions=mentions, mention_all=everybody)
            ).seq
        except (Failure, ClientError):
            if pending is not None:
                pending.refused = True
                self._screen.update_room(room)
            raise
        if pending is not None:
            pending.seq = self._sent
            if self._sent in room.events or room.detached:
                room.pending.remove(pending)
                self._screen.update_room(room)

    async def _command(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "quit":
            self._scope.cancel()
        elif word == "help":
            self._output.table(("command", "what it does"), help_rows(rest.strip()), wrap_last=True)
        elif word == "groups":
            await prepare(self._chat, "list", None)()
        elif word == "go":
            groups = await self._client.groups.list()
            await self._open(self._add(choose_group(self._chat, groups, rest.strip())))
        else:
            assert word not in CHAT_ONLY_COMMANDS
            try:
                job = prepare(self._chat, line, None if self.current is None else self.current.group_id)
            except Failure as failure:
                if failure.code != "help":
                    raise
                for one in str(failure).splitlines():
                    self._output.line(one)
                return
            await job()

    async def _open(self, room: Room) -> None:
        """Show a group: from 'new from here' where something is unread, else what was said last."""
        if room is not self.current:
            room.new_after = room.read_seq if room.unread else 0
        self.current = room
        if not room.opened:
            room.opened = True
            limit = BACKLOG if room.unread < BACKLOG else MAX_PAGE
            events, page = await self._client.group(room.group_id).history(limit=limit, newest=True)
            room.complete = not page.more
            room.take_page(events, older=False)
        if room is not self.current:
            return  # another one was chosen meanwhile
        self._screen.show_room(room)
        self._screen.show_rooms(list(self.rooms.values()), self.current)
        if self._screen.is_at_end():
            self._read(room)
        await self._look_around(room)

    def _read(self, room: Room) -> None:
        """Mark as read what is on the screen."""
        room.read_all()
        self._screen.show_rooms(list(self.rooms.values()), self.current)
        self._reading.note(room)

    async def _recount(self) -> None:
        """Ask how much is unread, where another device has read and the mentions that are left are unknown."""
        for group in await self._client.groups.list():
            if group.group_id in self.rooms:
                self.rooms[group.group_id].listed(group)
        self._screen.show_rooms(list(self.rooms.values()), self.current)

    async def _show_lobby(self) -> None:
        show_page(self._chat, await self._client.face_to_face.show_lobby())

    async def _look_around(self, room: Room) -> None:
        """Fetch the members of the group, and who of them is online."""
        members = await self._client.group(room.group_id).members()
        watched = [member.user_id for member in members[:WATCHED]]
        online: dict[int, bool] = {}
        with suppress(ClientError):  # a list without lights is still a list
            online = {one.user_id: one.online for one in await self._client.presence.watch(watched)}
        online.update({one.user_id: True for one in members if one.name == self.me})
        self._people = {one.user_id: PresentPerson(one.user_id, one.name, online.get(one.user_id)) for one in members}
        self._screen.show_people(list(self._people.values()))

    async def _listen(self, nursery: trio.Nursery) -> None:
        """Handle events until the session ends, which ends the chat too."""
        try:
            async for event in self._client.events():
                kind = cast("type[object]", type(event))
                if kind is UnknownEvent or (kind in NUMBER_OF and is_sequence_event(NUMBER_OF[kind])):
                    self._heard(event)
                else:
                    self._noticed(event)
        except ClientError as error:
            self._failure = error
        nursery.cancel_scope.cancel()

    def _heard(self, event: Any) -> None:
        room = self.rooms.get(event.group_id)
        if room is None or not room.take(event):
            return
        if isinstance(event, GroupRenamed):
            room.name = event.name
        if room.calls_me(event):
            room.mentions += 1
            self._screen.ring()
        self._screen.show_event(room, event)
        if room is self.current:
            if self._screen.is_at_end():
                self._read(room)
            else:
                self._screen.show_rooms(list(self.rooms.values()), self.current)
            if hasattr(event, "member") or hasattr(event, "members"):
                self._soon(lambda: self._look_around(room))
        else:
            self._screen.show_rooms(list(self.rooms.values()), self.current)

    def _noticed(self, event: Any) -> None:
        match event:
            case Added():
                room = self.rooms.get(event.group.group_id) or self._add(event.group)
                self._output.note(f"you are in '{room.name}' now")
                if self.current is None:
                    self.go(room.group_id)
            case Removed():
                room = self.rooms.pop(event.group_id, None)
                if room is not None:
                    self._output.note(f"you are not in '{room.name}' any more")
                if room is self.current:
                    self.current = None
                    self._screen.show_people([])
                    self.step(1)
            case ReadMoved() if event.group_id in self.rooms:
                room = self.rooms[event.group_id]
                room.read_to(event.read_seq, event.read_ordinal, event.own_above)
                if room.mentions:
                    self._soon(self._recount)
            case QuietSet() if event.group_id in self.rooms:
                self.rooms[event.group_id].quiet = event.quiet
            case Disconnected():
                self._screen.show_status(f"disconnected: {event.reason}", connected=False)
            case Reconnecting():
                self._screen.show_status(f"disconnected; trying again in {event.delay:.0f} s", connected=False)
            case Connected():
                self._screen.show_status(f"{self.me} @ {self._here.server}", connected=True)
                if event.again and self.current is not None:
                    current = self.current
                    self._soon(lambda: self._look_around(current))
            case PresenceChanged():
                for one in event.people:
                    if one.user_id in self._people:
                        self._people[one.user_id] = attrs.evolve(self._people[one.user_id], online=one.online)
                self._screen.show_people(list(self._people.values()))
            case LobbyChanged() if event.went or any(one.user_id != self._user_id for one in event.came):
                self._soon(self._show_lobby)
            case LobbyClosed() if not event.group_id:
                self._output.note(why_closed(event))
            case TypingNow() if self.current is not None and event.group_id == self.current.group_id:
                names = ", ".join(person.name for person in event.people)
                self._screen.show_status(f"{names} is typing…", connected=True)
            case _:
                return
        self._screen.show_rooms(list(self.rooms.values()), self.current)
