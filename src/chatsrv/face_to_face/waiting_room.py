"""The waiting room: who waits under which code, told live to those who wait with them, and ended to the millisecond.

Lobbies live in memory by the monotonic clock. A restart forgets who waits, but not the codes whose groups exist. What is
told is what changed: a lobby of 500 would otherwise cost 500 lists of 500 at each arrival. A change is told at once,
or within `MIN_UPDATE_INTERVAL_MS` of the one before.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import trio

from chatsrv.auth.rates import source_of
from chatsrv.bus import LocalBus, SharedFrames, Subscriber
from chatsrv.clock import Clock
from chatsrv.face_to_face.attempts import Attempts
from chatsrv.face_to_face.lobbies import TTL, Full, Guest, Lobbies, Lobby
from chatsrv.face_to_face.places import Network, Place, Point, Without, from_text, network_of, to_text
from chatsrv_protocol import ErrorCode, encode
from chatsrv_protocol import face_to_face as wire
from chatsrv_storage.accounts import profiles
from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.groups import face_to_face
from chatsrv_storage.groups.face_to_face import RandomCode
from chatsrv_storage.interface import Storage

MIN_UPDATE_INTERVAL_MS: Final = 200
"""Milliseconds between two LobbyChanged of a lobby."""

GRACE: Final = 10_000
"""Milliseconds that somebody whose last connection is gone stays on the page: a phone that changes networks."""

UPDATE_DELAY_SECONDS: Final = 1.0
"""Seconds of a wait that is over as soon as somebody else leaves."""


class WaitingRoom:
    """All lobbies of one node. `load` before the first connection; `run` ends and tells."""

    def __init__(
        self, bus: LocalBus, storage: Storage, clock: Clock, *, capacity: int, without: Without, attempts: Attempts
    ) -> None:
        self.lobbies = Lobbies(capacity)
        self._attempts = attempts
        self._bus = bus
        self._storage = storage
        self._clock = clock
        self._without: Without = without
        self._changes: dict[Lobby, dict[int, None]] = {}
        self._told_at: dict[Lobby, int] = {}
        self._absent: dict[int, int] = {}
        self._work = trio.Event()
        bus.listeners.append(self)

    @property
    def now(self) -> int:
        """The monotonic clock in milliseconds."""
        return round(trio.current_time() * 1000)

    async def load(self) -> None:
        """Take up the codes that outlived a restart. A clock that was set back prolongs none beyond its three minutes.

        Raises Refusal where the storage does; then nothing was taken up.
        """
        wall = self._clock.now_ms()
        codes = await self._storage.read(lambda conn: face_to_face.active_codes(conn, wall))
        inside = {
            code.group_id: await self._storage.read(
                lambda conn, group=code.group_id: face_to_face.participants(conn, group)
            )
            for code in codes
        }
        for code in codes:
            ends_at = self.now + min(code.expires_at - wall, TTL)
            lobby = self.lobbies.restore(code.code, from_text(code.place), code.group_id, ends_at, code.expires_at)
            for one in inside[code.group_id]:
                lobby.guests[one.user_id] = Guest(one.user_id, "", one.name, one.nickname, one.avatar, entered=True)

    def place_of(self, peer: str, position: wire.Position | None) -> Place:
        """Return where a client is. Raises Refusal where only a position could say."""
        if position is not None:
            return Point(position.lat, position.lon)
        network: Network | None = network_of(peer, self._without)
        if network is None:
            raise Refusal(ErrorCode.POSITION_NEEDED, "from this network a code needs a position", "position")
        return network

    async def enter(self, user_id: int, peer: str, code: str, position: wire.Position | None) -> Lobby:
        """Wait under a code; answers the lobby. Raises Refusal: bad_field, position_needed, rate_limited, group_full."""
        if not (code.isascii() and code.isdigit() and len(code) == 4):
            raise Refusal(ErrorCode.BAD_FIELD, "a code is four digits", "code")
        place, source = self.place_of(peer, position), source_of(peer)
        mine = self.lobbies.of(user_id, self.now)
        if mine is not None and mine is self.lobbies.match(code, place, self.now):
            return mine
        wait = self._attempts.take(user_id, source, self.now)
        if wait:
            sentence = "too many codes were tried: wait before the next"
            raise Refusal(ErrorCode.RATE_LIMITED, sentence, retry_after=wait / 1000)
        (shown,) = await self._storage.read(lambda conn: profiles.profiles(conn, [user_id]))
        guest = Guest(user_id, source, shown.name, shown.nickname, shown.avatar)
        try:
            arrival = self.lobbies.enter(guest, code, place, self.now, self._clock.now_ms())
        except Full as full:
            if full.server:
                sentence = "too many people wait on this server"
                raise Refusal(ErrorCode.SERVER_BUSY, sentence, retry_after=UPDATE_DELAY_SECONDS) from None
            raise Refusal(ErrorCode.GROUP_FULL, "as many wait here as a group may have") from None
        if arrival.left is not None and arrival.left is not arrival.lobby:
            self._tell([user_id], wire.LobbyClosed(arrival.left.code, "moved"))
            self._changed(arrival.left, user_id)
        for lobby in arrival.displaced:
            self._forget(lobby)
            self._tell(self.lobbies.waiting(lobby), wire.LobbyClosed(lobby.code, ErrorCode.SERVER_BUSY))
        self._changed(arrival.lobby, user_id)
        return arrival.lobby

    def require(self, user_id: int) -> Lobby:
        """Return the lobby this user waits in. Raises Refusal."""
        lobby = self.lobbies.of(user_id, self.now)
        if lobby is None:
            raise Refusal(ErrorCode.LOBBY_OVER, "you wait under no code: enter it again")
        return lobby

    def page(self, lobby: Lobby, user_id: int) -> tuple[wire.InLobby, list[wire.LobbyChanged]]:
        """Return what a participant sees: the frame with themselves in it, and more frames where one is not enough."""
        people = [_shown(guest) for guest in lobby.guests.values()]
        people.sort(key=lambda each: each.user_id != user_id)
        rest = [
            wire.LobbyChanged(lobby.code, tuple(people[at : at + wire.MAX_SHOWN]), ())
            for at in range(wire.MAX_SHOWN, len(people), wire.MAX_SHOWN)
        ]
        return wire.InLobby(lobby.code, lobby.expires_at, tuple(people[: wire.MAX_SHOWN])), rest

    def code_of(self, lobby: Lobby, group_id: int) -> RandomCode:
        """Return what the storage keeps of a lobby whose group is created with this id by the first to enter."""
        reserved = self.lobbies.reserve(lobby, group_id)
        return RandomCode(reserved, lobby.code, to_text(lobby.place), lobby.expires_at)

    def leave(self, user_id: int, reason: str = "left") -> None:
        """Wait no longer, and tell those who still do."""
        lobby = self.lobbies.leave(user_id)
        if lobby is not None:
            self._tell([user_id], wire.LobbyClosed(lobby.code, reason))
            self._changed(lobby, user_id)

    def entered(self, lobby: Lobby, user_id: int) -> None:
        """Note that this user is in the group now."""
        if self.lobbies.entered(lobby, user_id):
            self._tell([user_id], wire.LobbyClosed(lobby.code, "entered", lobby.group_id))
            self._changed(lobby, user_id)

    # What the bus says.

    def user_online(self, user_id: int) -> None:
        """Keep a participant who came back within the grace time."""
        self._absent.pop(user_id, None)

    def user_offline(self, user_id: int) -> None:
        """Remove a participant after the grace time, unless they come back."""
        if self.lobbies.of(user_id, self.now) is not None:
            self._absent[user_id] = self.now + GRACE
            self._work.set()

    def connection_closed(self, subscriber: Subscriber) -> None:
        """Do nothing: a user's last connection counts."""

    def membership_lost(self, user_id: int) -> None:
        """Do nothing: the storage knows who is in the group of a code."""

    # Telling and ending.

    async def run(self) -> None:
        """End what is over and tell what changed, forever."""
        async with trio.open_nursery() as nursery:
            while True:
                self._work = trio.Event()
                ended, due = self._round()
                if any(lobby.group_id for lobby in ended):
                    nursery.start_soon(self._sweep)
                with trio.move_on_at(due / 1000 if due is not None else float("inf")):
                    await self._work.wait()

    async def _sweep(self) -> None:
        wall = self._clock.now_ms()
        # Where it fails, the rows are void by their time all the same, and the next sweep takes them along.
        with suppress(Refusal, StorageFailed, trio.ClosedResourceError):
            await self._storage.write(lambda conn: face_to_face.sweep(conn, wall))

    def _round(self) -> tuple[list[Lobby], int | None]:
        """Do what is due; answers the lobbies that ended, and when the next thing is due."""
        now = self.now
        for user_id in [each for each, when in self._absent.items() if when <= now]:
            del self._absent[user_id]
            self.leave(user_id, "gone")
        ended = self.lobbies.close_ended(now)
        for lobby in ended:
            self._forget(lobby)
            self._tell(self.lobbies.waiting(lobby), wire.LobbyClosed(lobby.code, ErrorCode.LOBBY_OVER))
        for lobby in [
            each
            for each in self._changes
            if self._told_at.get(each, now - MIN_UPDATE_INTERVAL_MS) + MIN_UPDATE_INTERVAL_MS <= now
        ]:
            self._tell_changes(lobby, self._changes.pop(lobby))
            if lobby.guests:
                self._told_at[lobby] = now
            else:
                self._told_at.pop(lobby, None)
        moments = [self._told_at[lobby] + MIN_UPDATE_INTERVAL_MS for lobby in self._changes]
        moments += self._absent.values()
        end = self.lobbies.next_end
        return ended, min(moments, default=end) if end is None else min([*moments, end])

    def _forget(self, lobby: Lobby) -> None:
        self._changes.pop(lobby, None)
        self._told_at.pop(lobby, None)

    def _changed(self, lobby: Lobby, user_id: int) -> None:
        self._changes.setdefault(lobby, {})[user_id] = None
        self._work.set()

    def _tell_changes(self, lobby: Lobby, people: dict[int, None]) -> None:
        waiting = self.lobbies.waiting(lobby)
        came = [_shown(lobby.guests[each]) for each in people if each in lobby.guests]
        went = [each for each in people if each not in lobby.guests]
        for at in range(0, max(len(came), len(went)), wire.MAX_SHOWN):
            part = slice(at, at + wire.MAX_SHOWN)
            self._tell(waiting, wire.LobbyChanged(lobby.code, tuple(came[part]), tuple(went[part])))

    def _tell(self, user_ids: Sequence[int], event: wire.LobbyChanged | wire.LobbyClosed) -> None:
        blob = SharedFrames(encode(event), 1)
        for user_id in user_ids:
            self._bus.publish_to_user(user_id, blob)


def _shown(guest: Guest) -> wire.Waiting:
    return wire.Waiting(guest.user_id, guest.name, guest.nickname, guest.avatar, guest.entered)
