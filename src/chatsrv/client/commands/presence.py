"""Commands about presence: watching who comes online and goes offline."""

from collections.abc import Iterable

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.presence import Presence, Presences, WatchPresence


class PresenceCommands(Subject):
    """Commands about who is online."""

    async def watch(self, people: Iterable[int]) -> tuple[Presence, ...]:
        """Watch at most 200 users, in place of those before, and return their presence; changes come as PresenceChanged.

        It holds for the present connection: call it again after a Connected.
        """
        return (await self._client.request(self._client.build(WatchPresence, tuple(people)), Presences)).people
