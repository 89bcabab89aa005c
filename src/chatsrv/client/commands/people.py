"""Commands about people: finding them, profiles, and the block list."""

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
from chatsrv_protocol.reports import ReportPerson
from chatsrv_protocol.session import FindPeople, People, Person


class PeopleCommands(Subject):
    """Commands about other people and the user's own profile."""

    async def find(self, names: Iterable[str]) -> tuple[Person, ...]:
        """Return the users of these whole names (at most 100), regardless of case; names that do not exist are left out."""
        return (await self._client.request(self._client.build(FindPeople, tuple(names)), People)).people

    async def my_profile(self) -> MyProfile:
        """Return the user's own nickname, avatar, and whether the user hides."""
        return await self._client.request(SetProfile(), MyProfile)

    async def set_profile(
        self,
        *,
        nickname: str | None = None,
        avatar: int | None = None,
        hidden: bool | None = None,
        who_adds: int | None = None,
    ) -> MyProfile:
        """Change the fields that are given; nickname "" (of at most 64 characters) or avatar 0 removes it.

        `who_adds` says who may add the user to groups (ADDED_BY_EVERYBODY, ADDED_BY_KNOWN, ADDED_BY_NOBODY). The user's other
        devices get ProfileChanged. Raises RequestRefused: media_unknown, not_a_picture, message_refused,
        slow_mode (another nickname once a minute).
        """
        return await self._client.request(self._client.build(SetProfile, nickname, avatar, hidden, who_adds), MyProfile)

    async def profiles(self, people: Sequence[int]) -> tuple[Profile, ...]:
        """Return the profiles of at most 100 users by id, in the order asked; those that do not exist are left out."""
        found: list[Profile] = []
        for at in range(0, len(people), MAX_PROFILES):
            command = self._client.build(GetProfiles, tuple(people[at : at + MAX_PROFILES]))
            found += (await self._client.request(command, Profiles)).profiles
        return tuple(found)

    async def block(self, user_id: int) -> None:
        """Block a user: they reach this user neither in the conversation of the two, nor by adding to groups, nor by mentions.

        Neither sees whether the other is there, types or has read something. What both read in a group stays. Raises
        RequestRefused: user_unknown, too_many.
        """
        await self._client.request(self._client.build(Block, user_id), Done)

    async def unblock(self, user_id: int) -> None:
        """Unblock a user.

        Raises RequestRefused: user_unknown, too_many.
        """
        await self._client.request(self._client.build(Block, user_id, on=False), Done)

    async def blocked(self) -> tuple[Person, ...]:
        """Return the users whom this user blocks."""
        return (await self._client.request(ListBlocked(), People)).people

    async def report(self, user_id: int, reason: str) -> None:
        """Tell the operators about a user, and why (1 to 300 characters); nobody else is told.

        Raises RequestRefused: user_unknown, too_many.
        """
        await self._client.request(self._client.build(ReportPerson, user_id, reason), Done)
