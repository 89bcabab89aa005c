"""Presence: being told who comes and goes."""

from collections.abc import Iterable

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.presence import Presence, Presences, WatchPresence


class PresenceCommands(Subject):
    """Who is online."""

    async def watch(self, people: Iterable[int]) -> tuple[Presence, ...]:
        """Be told by PresenceChanged when these people come and go, instead of those before; answers how they stand.

        It holds for this connection: call it again after a Connected.
        """
        return (await self._client.request(self._client.build(WatchPresence, tuple(people)), Presences)).people
