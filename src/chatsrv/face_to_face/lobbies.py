"""The lobbies of face-to-face codes: who waits under which code, with an exact end. No clock, no I/O.

The rules:

- A lobby belongs to a code and to its founder's place. It ends `TTL` after it was founded, to the millisecond, and
  nothing prolongs it: at `ends_at` it is over.
- Whoever enters a code goes to the nearest lobby of it whose founder's place matches theirs, or founds one.
- A user is in one lobby at most: entering another code, or the same elsewhere, leaves the first.
- The first to enter its group reserves the group's id; whoever comes later finds it there. Who has entered stays on the
  page for the others to see, waits no longer, and may enter another code.
- A lobby that nobody waits in ends at once, unless its group exists: then the code stays good until the end.
- Lobbies and people are bounded. At the bound, a newcomer displaces the newest lobby with one person in it of the
  address that has most of them, if that is more than the newcomer's own address has: the greedy pay.
"""

from collections import OrderedDict
from typing import Final

import attrs

from chatsrv.face_to_face.places import Place, cell_of, cells_near, distance

TTL: Final = 180_000
"""Milliseconds."""

MAX_PEOPLE: Final = 20_000
"""People in lobbies, all in all: each takes about 1 KB. A lobby has somebody in it, or a group that was made."""

MAX_LOBBIES: Final = 2 * MAX_PEOPLE
"""Lobbies with a group stay when all have left; a user makes few in three minutes."""


@attrs.define(slots=True, eq=False)
class Guest:
    """A participant of a lobby, as the others see them; `source` is where their attempts are counted."""

    user_id: int
    source: str
    name: str = ""
    nickname: str = ""
    avatar: int = 0
    entered: bool = False

    def enter(self) -> None:
        """Note that they are in the group: they wait no longer."""
        self.entered = True


@attrs.define(slots=True, eq=False)
class Lobby:
    """People who entered one code in one place. `expires_at` is the same moment as `ends_at`, on the wall clock."""

    number: int
    code: str
    place: Place
    ends_at: int
    expires_at: int = 0
    guests: dict[int, Guest] = attrs.Factory(dict[int, Guest])
    group_id: int = 0

    def set_group(self, group_id: int) -> None:
        """Set the group that the lobby leads to."""
        self.group_id = group_id

    @property
    def lone(self) -> bool:
        """One person waits, and no group exists: what a sweep of the codes leaves behind."""
        return len(self.guests) == 1 and not self.group_id


class Full(Exception):
    """There is no room: in this lobby, or (`server`) in all of them together."""

    def __init__(self, server: bool) -> None:
        super().__init__("no room")
        self.server = server


@attrs.frozen(slots=True)
class Arrival:
    """The result of entering a code: the lobby, the one left for it, and who was displaced."""

    lobby: Lobby
    left: Lobby | None = None
    displaced: tuple[Lobby, ...] = ()


class Lobbies:
    """All lobbies. Times are milliseconds of one clock that never goes back."""

    def __init__(self, capacity: int, max_people: int = MAX_PEOPLE, max_lobbies: int = MAX_LOBBIES) -> None:
        self.capacity = capacity
        self._max_people = max_people
        self._max_lobbies = max_lobbies
        self._next = 1
        self._by_number: OrderedDict[int, Lobby] = OrderedDict()
        self._by_cell: dict[tuple[str, str], dict[int, Lobby]] = {}
        self._of_user: dict[int, Lobby] = {}
        self._lone: dict[str, dict[int, Lobby]] = {}

    def __len__(self) -> int:
        return len(self._by_number)

    @property
    def people(self) -> int:
        """How many are in lobbies."""
        return len(self._of_user)

    def of(self, user_id: int, now: int) -> Lobby | None:
        """Return the lobby this user is in; None where there is none."""
        lobby = self._of_user.get(user_id)
        return lobby if lobby is not None and now < lobby.ends_at else None

    def match(self, code: str, place: Place, now: int) -> Lobby | None:
        """Return the lobby of this code that a place is admitted to: the nearest, of equally near ones the oldest."""
        best: tuple[float, int] | None = None
        found: Lobby | None = None
        for cell in cells_near(place):
            for number, lobby in self._by_cell.get((code, cell), {}).items():
                apart = distance(lobby.place, place) if now < lobby.ends_at else None
                if apart is not None and (best is None or (apart, number) < best):
                    best, found = (apart, number), lobby
        return found

    def enter(self, guest: Guest, code: str, place: Place, now: int, wall: int = 0) -> Arrival:
        """Wait under a code (`wall` is `now` by the clock people read). Raises Full, and then nothing has changed."""
        user_id = guest.user_id
        lobby, before = self.match(code, place, now), self.of(user_id, now)
        if lobby is not None and lobby is before:
            return Arrival(lobby)
        if lobby is not None and user_id not in lobby.guests and len(lobby.guests) >= self.capacity:
            raise Full(server=False)
        displaced: tuple[Lobby, ...] = ()
        if (len(self._of_user) >= self._max_people and user_id not in self._of_user) or (
            lobby is None and len(self._by_number) >= self._max_lobbies
        ):
            displaced = (self._displace(guest.source, lobby),)
        self.leave(user_id)
        if lobby is None:
            lobby = self._found(code, place, now + TTL, wall + TTL)
        lobby.guests[user_id] = guest
        self._of_user[user_id] = lobby
        self._note_lone(lobby)
        return Arrival(lobby, before, displaced)

    def restore(self, code: str, place: Place, group_id: int, ends_at: int, expires_at: int) -> Lobby:
        """Make the lobby of a group that was created before the server started; in the order of their ends, before any other."""
        lobby = self._found(code, place, ends_at, expires_at)
        lobby.set_group(group_id)
        return lobby

    def leave(self, user_id: int) -> Lobby | None:
        """Wait no longer; answers the lobby left. One without people and group is over."""
        lobby = self._of_user.pop(user_id, None)
        if lobby is None:
            return None
        self._forget_lone(lobby)
        del lobby.guests[user_id]
        if lobby.guests or lobby.group_id:
            self._note_lone(lobby)
        else:
            self._drop(lobby)
        return lobby

    def reserve(self, lobby: Lobby, group_id: int) -> int:
        """Return the id of the lobby's group: this one, if none was reserved before."""
        if not lobby.group_id:
            self._forget_lone(lobby)
            lobby.set_group(group_id)
        return lobby.group_id

    def entered(self, lobby: Lobby, user_id: int) -> bool:
        """Move a user who is in the group from those who wait to those who entered; return whether the user waited there."""
        if self._of_user.get(user_id) is not lobby:
            return False
        del self._of_user[user_id]
        lobby.guests[user_id].enter()
        return True

    def waiting(self, lobby: Lobby) -> list[int]:
        """Return the participants who have not entered the group."""
        return [user_id for user_id, guest in lobby.guests.items() if not guest.entered]

    def close(self, lobby: Lobby) -> None:
        """Remove a lobby that is over; its participants are still listed in it."""
        self._forget_lone(lobby)
        for user_id in self.waiting(lobby):
            del self._of_user[user_id]
        self._drop(lobby)

    def close_ended(self, now: int) -> list[Lobby]:
        """Close the lobbies that are over and answer them."""
        ended: list[Lobby] = []
        while (end := self.next_end) is not None and end <= now:
            ended.append(next(iter(self._by_number.values())))
            self.close(ended[-1])
        return ended

    @property
    def next_end(self) -> int | None:
        """When the first lobby is over: they end in the order in which they were founded."""
        return next((lobby.ends_at for lobby in self._by_number.values()), None)

    def _found(self, code: str, place: Place, ends_at: int, expires_at: int) -> Lobby:
        lobby = Lobby(self._next, code, place, ends_at, expires_at)
        self._next += 1
        self._by_number[lobby.number] = lobby
        self._by_cell.setdefault((code, cell_of(place)), {})[lobby.number] = lobby
        return lobby

    def _drop(self, lobby: Lobby) -> None:
        del self._by_number[lobby.number]
        key = lobby.code, cell_of(lobby.place)
        del self._by_cell[key][lobby.number]
        if not self._by_cell[key]:
            del self._by_cell[key]

    def _note_lone(self, lobby: Lobby) -> None:
        """Count a lobby with one person for that person's address, and one with more for nobody's."""
        if lobby.lone:
            (guest,) = lobby.guests.values()
            self._lone.setdefault(guest.source, {})[lobby.number] = lobby
        else:
            self._forget_lone(lobby)

    def _forget_lone(self, lobby: Lobby) -> None:
        for guest in lobby.guests.values():
            lone = self._lone.get(guest.source)
            if lone is not None and lone.pop(lobby.number, None) is not None and not lone:
                del self._lone[guest.source]

    def _displace(self, source: str, wanted: Lobby | None) -> Lobby:
        """Make room at the cost of the address with the most lone lobbies. Raises Full where that is the newcomer's."""
        greedy = max(self._lone, key=lambda each: len(self._lone[each]), default=source)
        if len(self._lone.get(greedy, ())) <= len(self._lone.get(source, ())) + 1:
            raise Full(server=True)
        # At least two: one of them is not the one that the newcomer goes to.
        lobby = next(each for each in reversed(self._lone[greedy].values()) if each is not wanted)
        self.close(lobby)
        return lobby
