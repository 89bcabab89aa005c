"""One node of a cluster: takes blobs from the bus, delivers what they hold, and reads from the database what is missing."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, Protocol

import trio

from chatsrv.bus.interface import SharedFrames
from chatsrv.bus.local import LocalBus
from chatsrv.cluster.blobs import BadBlob, Blob, Note, blob_start, unpack_blob
from chatsrv.cluster.database_look import DatabaseLook
from chatsrv.cluster.errands import Errand, Errands
from chatsrv.cluster.held_parcels import HeldParcels
from chatsrv.cluster.outgoing import Outgoing
from chatsrv.cluster.peers import Peers
from chatsrv.cluster.port import NodeBus
from chatsrv.cluster.unheard_nodes import UnheardNodes
from chatsrv.log import Log
from chatsrv_storage.errors import Refusal

SNAPSHOT_SECONDS: Final = 5.0
"""How often a node says who is connected to it, all of them: between that it says who came and went."""

DEAF_SECONDS: Final = 3.0
"""A node that did not hear itself for so long hears nobody, and says so where its health is asked for."""

WATCH_SECONDS: Final = 0.5
"""How often a node looks who was silent for too long: with SILENT_SECONDS, its people are offline in 5.5 s."""

SETTLE_SECONDS: Final = 1.5
"""A node that starts listens for so long before it takes connections: the others say at least once a second that they live."""


class RemoteVisibility(Protocol):
    """What a node has to know of who hides and who blocks whom on the others (presence.Visibility)."""

    def note_hidden(self, user_id: int, hidden: bool, /) -> None: ...
    def note_block(self, user_id: int, blocked_id: int, on: bool, /) -> None: ...
    def hides(self, user_id: int, /) -> bool: ...


class RemoteTyping(Protocol):
    """What a node tells of who types on the others (presence.TypingNotices)."""

    def typing_elsewhere(self, group_id: int, at: int, people: Sequence[tuple[int, str]], /) -> None: ...


class Cluster:
    """This node's part of the cluster, made for one server. Its life is the task `run`."""

    def __init__(
        self,
        outgoing: Outgoing,
        node_bus: NodeBus,
        bus: LocalBus,
        visibility: RemoteVisibility,
        typing_notices: RemoteTyping,
        look: DatabaseLook,
        log: Log,
    ) -> None:
        self.peers: Final = Peers(outgoing.name, outgoing.started_ms, trio.current_time())
        self.errands: Final = Errands(outgoing, log)
        self.held: Final = HeldParcels(bus)
        self._outgoing = outgoing
        self._own_start = blob_start(outgoing.name, outgoing.started_ms)
        self._node_bus = node_bus
        self._bus = bus
        self._visibility = visibility
        self._typing_notices = typing_notices
        self._look = look
        self.log = log
        self._ticket_key: bytes | None = None
        self._accept_key: Callable[[bytes], None] | None = None
        self._take_over: Callable[[], None] | None = None
        self._load_lobbies: Callable[[], Awaitable[None]] | None = None
        self._unheard: UnheardNodes | None = None
        self._nursery: trio.Nursery | None = None
        self.holes = 0
        """How often something from another node was missing, since the start."""
        self.peers.on_death.append(self._forget)

    @property
    def name(self) -> str:
        """This node's name."""
        return self.peers.name

    @property
    def is_deaf(self) -> bool:
        """Whether the node hears nothing of the others: what they tell comes late, from the database."""
        return trio.current_time() - self.peers.me.heard_at > DEAF_SECONDS

    def has_duty(self, key: int) -> bool:
        """Whether this node is the one to do what has to be done for this group."""
        return self.peers.has_duty(key)

    @property
    def is_eldest(self) -> bool:
        """Whether this node has lived longest, and does what one has to do for all."""
        return self.peers.eldest == self.name

    def lobby_node(self) -> str | None:
        """Return the node that holds the face-to-face lobbies; None where it is this one."""
        return None if self.is_eldest else self.peers.eldest

    def share_ticket_key(self, key: bytes, accept: Callable[[bytes], None]) -> None:
        """Tell the others the key of this node's signed URLs, and `accept` theirs."""
        self._ticket_key, self._accept_key = key, accept

    def take_over_with(self, take_over: Callable[[], None]) -> None:
        """Set what the eldest node calls when another dies, for what that one had in memory alone."""
        self._take_over = take_over

    def load_lobbies_with(self, load: Callable[[], Awaitable[None]]) -> None:
        """Set what loads the codes whose groups exist, once this node holds the lobbies."""
        self._load_lobbies = load

    def look_for_unheard_with(self, read_living: Callable[[], Awaitable[Collection[str]]]) -> UnheardNodes:
        """Set what reads the names of the nodes that live, to tell which of them are not heard; answers who does."""
        self._unheard = UnheardNodes(self.peers, lambda: self.is_deaf, read_living, self.log)
        return self._unheard

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hear, tell and look, forever; started once it knows who else lives."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._node_bus.run, self.take, self._look.look_soon)
            nursery.start_soon(self._outgoing.run, self._node_bus)
            nursery.start_soon(self._look.run)
            nursery.start_soon(self.held.run)
            nursery.start_soon(self._tell_who_is_here)
            await trio.sleep(SETTLE_SECONDS)
            nursery.start_soon(self._watch_peers)
            if self._unheard is not None:
                nursery.start_soon(self._unheard.run)
            task_status.started()

    # What comes.

    def take(self, data: bytes) -> None:
        """Take a blob from the bus."""
        if data.startswith(self._own_start):
            self.peers.heard_self(trio.current_time())
            return
        try:
            blob = unpack_blob(data)
            new, hole = self.peers.heard(blob.name, blob.started_ms, blob.number, trio.current_time())
            if hole:
                self.holes += 1
                self._look.look_soon()
            if new:
                self._hand_on(blob)
        except BadBlob as error:
            self.log.warning("what another node said cannot be read: do all run the same version?", reason=str(error))
            self._look.look_soon()
        except Exception:  # a node of another version, or a bug: what one node says must not end the others
            self.log.exception("what another node said cannot be told")
            self._look.look_soon()

    def _hand_on(self, blob: Blob) -> None:
        for parcel in blob.parcels:
            self.held.take(parcel)
        for user_id, events, frames in blob.personal:
            self._bus.hand_to_user(user_id, SharedFrames(frames, events))
        for note in blob.notes:
            try:
                self._take_note(blob.name, note)
            except (ValueError, TypeError, KeyError, IndexError) as error:
                raise BadBlob(f"a note cannot be read: {error!r}") from error

    def _take_note(self, sender: str, note: Note) -> None:
        match note:
            case ["end", user_id, session_ids, reason]:
                self._bus.end_sessions_here(user_id, session_ids, reason)
            case ["typing", group_id, at, people]:
                self._typing_notices.typing_elsewhere(group_id, at, people)
            case ["hide", user_id, hidden]:
                self._visibility.note_hidden(user_id, hidden)
            case ["block", user_id, blocked_id, on]:
                self._visibility.note_block(user_id, blocked_id, on)
            case ["here", user_id, here]:
                self._bus.change_elsewhere(sender, user_id, here)
            case ["all here", users, hiding]:
                hidden = set(hiding)
                for user_id in users:
                    self._visibility.note_hidden(user_id, user_id in hidden)
                self._bus.set_elsewhere(sender, users)
            case ["ticket key", key]:
                if self._accept_key is not None:
                    self._accept_key(key)
            case ["errand", node, number, fields] if node == self.name and self._nursery is not None:
                self.errands.take(self._nursery, sender, number, Errand(*fields))
            case ["answer", node, number, frames, refusal] if node == self.name:
                self.errands.take_answer(number, frames, refusal)
            case _:
                pass  # for another node, or of a newer version

    # What this node says by itself.

    async def _tell_who_is_here(self) -> None:
        while True:
            users = list(self._bus.users())
            self._outgoing.note("all here", users, [each for each in users if self._visibility.hides(each)])
            if self._ticket_key is not None:
                self._outgoing.note("ticket key", self._ticket_key)
            await trio.sleep(SNAPSHOT_SECONDS)

    async def _watch_peers(self) -> None:
        """Drop nodes that are dead, and load the lobbies once this node holds them."""
        while True:
            if self.is_deaf:
                self.peers.excuse(trio.current_time())
            else:
                self.peers.bury(trio.current_time())
            if self._load_lobbies is not None and self.lobby_node() is None:
                try:
                    await self._load_lobbies()
                except Refusal:
                    pass  # the database is away: the next look tries again
                else:
                    self._load_lobbies = None
            await trio.sleep(WATCH_SECONDS)

    def _forget(self, name: str) -> None:
        self.log.info("another node is gone", node=name)
        self._bus.set_elsewhere(name, ())
        self._look.look_soon()
        if self._take_over is not None and self.is_eldest:
            self._take_over()
