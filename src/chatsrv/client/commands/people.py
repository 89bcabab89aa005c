"""People: finding them, profiles, and the block list."""

from collections.abc import Iterable, Sequence

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.common import Done
from chatsrv_protocol.presence import (
    MAX_PROFILES,
    Block,
    GetProfiles,
    ListBlocked,
    MyProfile,
    Profile,
    Profiles,
    SetProfile,
)
from chatsrv_protocol.session import FindPeople, People, Person


class PeopleCommands(Subject):
    """Other people, and my own profile."""

    async def find(self, names: Iterable[str]) -> tuple[Person, ...]:
        """The users of these names, whole and regardless of case; who does not exist is left out. At most 100 names."""
        return (await self._client.request(self._client.build(FindPeople, tuple(names)), People)).people

    async def my_profile(self) -> MyProfile:
        """My nickname and avatar, and whether I hide."""
        return await self._client.request(SetProfile(), MyProfile)

    async def set_profile(
        self,
        *,
        nickname: str | None = None,
        avatar: int | None = None,
        hidden: bool | None = None,
        who_adds: int | None = None,
    ) -> MyProfile:
        """Change what is given; an empty nickname, or avatar 0, is none. My devices hear ProfileChanged.

        `who_adds` says who may put me into groups (ADDED_BY_EVERYBODY, ADDED_BY_KNOWN, ADDED_BY_NOBODY).
        """
        return await self._client.request(self._client.build(SetProfile, nickname, avatar, hidden, who_adds), MyProfile)

    async def profiles(self, people: Sequence[int]) -> tuple[Profile, ...]:
        """The profiles of those who exist, in the order asked."""
        found: list[Profile] = []
        for at in range(0, len(people), MAX_PROFILES):
            command = self._client.build(GetProfiles, tuple(people[at : at + MAX_PROFILES]))
            found += (await self._client.request(command, Profiles)).profiles
        return tuple(found)

    async def block(self, user_id: int) -> None:
        """Let somebody neither open nor write to a conversation of the two of us."""
        await self._client.request(self._client.build(Block, user_id), Done)

    async def unblock(self, user_id: int) -> None:
        """Let them again."""
        await self._client.request(self._client.build(Block, user_id, on=False), Done)

    async def blocked(self) -> tuple[Person, ...]:
        """Whom I block."""
        return (await self._client.request(ListBlocked(), People)).people
