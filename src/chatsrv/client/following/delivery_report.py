"""Reports to the server how far this device has each group, so that senders see it in their receipts."""

import math
from typing import Final

import trio

from chatsrv.client.connection.connection import ServerConnection
from chatsrv.client.connection.pending_request import PendingRequest
from chatsrv.client.errors import LinkLost
from chatsrv_protocol.common import Refused
from chatsrv_protocol.conversation import Delivered
from chatsrv_protocol.limits import MAX_PAGE
from chatsrv_protocol.sync import Range

REPORT_SECONDS: Final = 1.0
"""From an event to the report of it: what comes meanwhile is in the same one."""

INTERVAL_SECONDS: Final = 3.0
"""Between two reports, while events keep coming: where 500 devices hear a message, 500 reports follow."""

WAIT_FOR_EVENT_SECONDS: Final = 0.5
"""So long a report that is due waits for the next event, with which it goes: a report by itself wakes an idle server, which
costs it several times as much.
"""


class DeliveryReport:
    """What was delivered and not reported yet: one sequence number a group, so that it is bounded by the groups."""

    def __init__(self) -> None:
        self._due: dict[int, int] = {}
        self._some = trio.Event()

    def note(self, group_id: int, seq: int) -> None:
        """Note that everything of this group up to `seq` was delivered."""
        self._due[group_id] = max(seq, self._due.get(group_id, 0))
        self._some.set()

    async def run(self, link: ServerConnection) -> None:
        """Report until the connection is lost; what it did not take goes to the next one."""
        next_at = -math.inf
        while True:
            await self._some.wait()
            await trio.sleep_until(max(trio.current_time() + REPORT_SECONDS, next_at))
            self._some = trio.Event()
            with trio.move_on_after(WAIT_FOR_EVENT_SECONDS):
                await self._some.wait()
            next_at = trio.current_time() + INTERVAL_SECONDS
            self._some = trio.Event()
            marks = tuple(Range(group_id, seq) for group_id, seq in list(self._due.items())[:MAX_PAGE])
            try:
                reply = (await link.submit(PendingRequest(Delivered(marks))).answer()).reply
            except LinkLost:
                self._some.set()
                return
            if not isinstance(reply, Refused):  # refused: the server is busy, and is told again
                for mark in marks:
                    if self._due[mark.group_id] == mark.after:
                        del self._due[mark.group_id]
            if self._due:
                self._some.set()
