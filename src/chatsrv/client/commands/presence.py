"""Profiles, the block list, who is there, and who is typing."""

from collections.abc import Iterable, Sequence

from chatsrv.client.commands.base import Commands
from chatsrv_protocol.common import Done
from chatsrv_protocol.presence import (
    MAX_PROFILES,
    Block,
    GetProfiles,
    Here,
    ListBlocked,
    MyProfile,
    Presence,
    Presences,
    Profile,
    Profiles,
    SetProfile,
    Typing,
    WatchPresence,
    WhoIsHere,
)
from chatsrv_protocol.session import People, Person


class PresenceCommands(Commands):
    """Methods of a client about people."""

    async def my_profile(self) -> MyProfile:
        """My nickname and avatar, and whether I hide."""
        return await self.request(SetProfile(), MyProfile)

    async def set_profile(
        self, *, nickname: str | None = None, avatar: int | None = None, hidden: bool | None = None
    ) -> MyProfile:
        """Change what is given; an empty nickname, or avatar 0, is none. My devices hear ProfileChanged."""
        return await self.request(self.build(SetProfile, nickname, avatar, hidden), MyProfile)

    async def get_profiles(self, people: Sequence[int]) -> list[Profile]:
        """The profiles of those who exist, in the order asked."""
        found: list[Profile] = []
        for at in range(0, len(people), MAX_PROFILES):
            command = self.build(GetProfiles, tuple(people[at : at + MAX_PROFILES]))
            found += (await self.request(command, Profiles)).profiles
        return found

    async def block(self, user_id: int) -> None:
        """Let somebody neither open nor write to a conversation of the two of us."""
        await self.request(self.build(Block, user_id), Done)

    async def unblock(self, user_id: int) -> None:
        """Let them again."""
        await self.request(self.build(Block, user_id, on=False), Done)

    async def list_blocked(self) -> tuple[Person, ...]:
        """Whom I block."""
        return (await self.request(ListBlocked(), People)).people

    async def watch_presence(self, people: Iterable[int]) -> tuple[Presence, ...]:
        """Be told by PresenceChanged when these people come and go, instead of those before; answers how they stand.

        It holds for this connection: call it again after a Connected.
        """
        return (await self.request(self.build(WatchPresence, tuple(people)), Presences)).people

    async def who_is_here(self, group_id: int) -> Here:
        """Which members of a group are there now, but for those who hide."""
        return await self.request(self.build(WhoIsHere, group_id), Here)

    async def typing(self, group_id: int) -> None:
        """Say that I am typing in a group: once every few seconds is enough."""
        await self.request(self.build(Typing, group_id), Done)
