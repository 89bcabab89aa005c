"""What only an operator of the server may do."""

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.common import Done
from chatsrv_protocol.operator import (
    AllGroups,
    AppointOwner,
    Backup,
    DissolveAnyGroup,
    EnableUser,
    ListAllGroups,
    OwnedGroup,
    ResetPassword,
    UserEnabled,
)


class OperatorCommands(Subject):
    """What an operator may do; for anybody else these raise RequestRefused (operator_only)."""

    async def backup(self, name: str) -> None:
        """Write a verified copy of the database to a new file of this name in the server's folder for backups.

        Raises OutcomeUnknown when the connection is lost meanwhile: a second try would find the file there.
        """
        await self._client.exchange(self._client.build(Backup, name), repeatable=False)

    async def enable_user(self, name: str, *, enabled: bool = True) -> UserEnabled:
        """Let a user log in again, or (`enabled` false) end their sessions and let them in no more.

        The answer names groups of theirs that have another owner now.
        """
        return await self._client.request(self._client.build(EnableUser, name, enabled), UserEnabled)

    async def list_all_groups(self) -> tuple[OwnedGroup, ...]:
        """The groups of the server by id, over as many pages as it takes."""
        groups: list[OwnedGroup] = []
        while True:
            after = groups[-1].group_id if groups else 0
            page = await self._client.request(self._client.build(ListAllGroups, after), AllGroups)
            groups.extend(page.groups)
            if not page.more or not page.groups:
                return tuple(groups)

    async def appoint_owner(self, group_id: int, user_id: int) -> None:
        """Make a member of any group its owner."""
        await self._client.request(self._client.build(AppointOwner, group_id, user_id), Done)

    async def dissolve_any_group(self, group_id: int) -> None:
        """End any group."""
        await self._client.request(self._client.build(DissolveAnyGroup, group_id), Done)

    async def reset_password(self, name: str, password: str) -> None:
        """Set somebody's password and end their sessions."""
        await self._client.request(self._client.build(ResetPassword, name, password), Done)
