"""What one connection hears by itself, as the bytes come: each group's events once, in order, without a gap, and none that
its user may not hear. The client library mends gaps, so this is asked before it does.
"""

import json
from typing import Any

from chatsrv.client import SequenceEvent
from chatsrv_protocol.common import Lagging
from chatsrv_protocol.groups import Added, Removed
from simulation.world import World

OF_MEMBERS = "('created', 'added', 'removed', 'banned')"


class Hearing:
    """Of one connection; a finding ends the run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._last: dict[int, int] = {}
        self._gaps: set[int] = set()
        self.user_id = 0

    def heard(self, message: Any) -> None:
        """Look at an event that nobody asked for."""
        if isinstance(message, Lagging):
            self._gaps = set(self._last)  # more came than it read, or it heard too little: it says so, and goes on
        elif isinstance(message, Removed):
            self._last.pop(message.group_id, None)
        elif isinstance(message, Added):
            self._last.pop(message.group.group_id, None)
        elif isinstance(message, SequenceEvent):
            self._look_at(message.group_id, message.seq)

    def _look_at(self, group_id: int, seq: int) -> None:
        world = self._world
        place = f"{world.name('g', group_id)}/{seq}"
        last = self._last.get(group_id)
        if last is not None and seq <= last:
            world.break_off(f"a connection of {self.user_id} hears {place} after {last}")
        elif last is not None and seq > last + 1 and group_id not in self._gaps:
            world.break_off(f"a connection of {self.user_id} hears {place} after {last}, and is not told of a gap")
        elif not self._may_hear(group_id, seq):
            world.break_off(f"a connection of {self.user_id} hears {place}, which it may not")
        self._last[group_id] = seq
        self._gaps.discard(group_id)

    def _may_hear(self, group_id: int, seq: int) -> bool:
        ask = self._world.disk.ask
        rows = ask(
            "select role, visible_from from group_member where group_id = ? and user_id = ?", (group_id, self.user_id)
        )
        if rows is None or (rows and rows[0][0] > 0 and seq > rows[0][1]):
            return True
        # No member now, or one who does not see so far back: then it was said while they were in.
        inside = False
        for at, kind, sender, data in (
            ask(
                f"select seq, kind, sender_id, data from message where group_id = ? and kind in {OF_MEMBERS} order by seq",
                (group_id,),
            )
            or ()
        ):
            if at > seq:
                break
            content = json.loads(data) if data else {}
            if kind in ("removed", "banned") and content["member"][0] == self.user_id:
                inside = False  # that they go is told to the others alone
            if kind in ("created", "added"):
                brought = {user for user, _ in content["members"]} | ({sender} if kind == "created" else set())
                inside = inside or self.user_id in brought
        return inside
