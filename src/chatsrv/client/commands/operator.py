"""What only an operator of the server may do."""

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.common import Done
from chatsrv_protocol.operator import Backup, EnableUser, ResetPassword


class OperatorCommands(Subject):
    """What an operator may do; for anybody else these raise RequestRefused (operator_only)."""

    async def backup(self, name: str) -> None:
        """Write a verified copy of the database to a new file of this name in the server's folder for backups.

        Raises OutcomeUnknown when the connection is lost meanwhile: a second try would find the file there.
        """
        await self._client.exchange(self._client.build(Backup, name), repeatable=False)

    async def enable_user(self, name: str, *, enabled: bool = True) -> None:
        """Let a user log in again, or (`enabled` false) end their sessions and let them in no more."""
        await self._client.request(self._client.build(EnableUser, name, enabled), Done)

    async def reset_password(self, name: str, password: str) -> None:
        """Set somebody's password and end their sessions."""
        await self._client.request(self._client.build(ResetPassword, name, password), Done)
