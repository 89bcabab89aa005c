"""Commands for operators of the server."""

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.common import Done
from chatsrv_protocol.operator import (
    AccountEntry,
    Accounts,
    AllGroups,
    AppointOwner,
    AuditEntries,
    AuditEntry,
    Backup,
    DissolveAnyGroup,
    EnableUser,
    Figures,
    ListAccounts,
    ListAllGroups,
    ListAudit,
    OwnedGroup,
    ResetPassword,
    ShowFigures,
    UserEnabled,
)
from chatsrv_protocol.reports import CloseReport, ListReports, Report, Reports


class OperatorCommands(Subject):
    """Commands for operators; for anybody else they raise RequestRefused (operator_only)."""

    async def backup(self, name: str) -> None:
        """Write a verified copy of the database to a new file of this name (at most 100 characters) in the server's backup folder.

        Sent once only. Raises OutcomeUnknown when the connection is lost meanwhile: a second try would find the file there.
        Raises RequestRefused: operator_only.
        """
        await self._client.exchange(self._client.build(Backup, name), repeatable=False)

    async def enable_user(self, name: str, *, enabled: bool = True) -> UserEnabled:
        """Allow a user to log in again, or (`enabled` false) end the user's sessions and refuse logins.

        The answer names the user's groups that have another owner now. Raises RequestRefused: operator_only, user_unknown.
        """
        return await self._client.request(self._client.build(EnableUser, name, enabled), UserEnabled)

    async def list_all_groups(self) -> tuple[OwnedGroup, ...]:
        """Return all groups of the server by id; fetches as many pages as there are.

        Raises RequestRefused: operator_only.
        """
        groups: list[OwnedGroup] = []
        while True:
            after = groups[-1].group_id if groups else 0
            page = await self._client.request(self._client.build(ListAllGroups, after), AllGroups)
            groups.extend(page.groups)
            if not page.more or not page.groups:
                return tuple(groups)

    async def appoint_owner(self, group_id: int, user_id: int) -> None:
        """Make a member of any group its owner.

        Raises RequestRefused: operator_only, group_unknown, not_member, user_disabled.
        """
        await self._client.request(self._client.build(AppointOwner, group_id, user_id), Done)

    async def dissolve_any_group(self, group_id: int) -> None:
        """Dissolve any group.

        Raises RequestRefused: operator_only, group_unknown.
        """
        await self._client.request(self._client.build(DissolveAnyGroup, group_id), Done)

    async def reset_password(self, name: str, password: str) -> None:
        """Set a user's password (1 to 256 characters) and end the user's sessions.

        Raises RequestRefused: operator_only, user_unknown, password_weak.
        """
        await self._client.request(self._client.build(ResetPassword, name, password), Done)

    async def list_accounts(self, part: str = "") -> tuple[AccountEntry, ...]:
        """Return the accounts whose names contain `part` (all for an empty one) by id; fetches as many pages as there are.

        Raises RequestRefused: operator_only.
        """
        found: list[AccountEntry] = []
        while True:
            after = found[-1].person.user_id if found else 0
            page = await self._client.request(self._client.build(ListAccounts, part, after), Accounts)
            found.extend(page.accounts)
            if not page.more or not page.accounts:
                return tuple(found)

    async def list_audit(self, before: int = 0) -> tuple[AuditEntry, ...]:
        """Return up to 30 rows of the audit log before this number (0: the latest), the latest first.

        Raises RequestRefused: operator_only.
        """
        return (await self._client.request(self._client.build(ListAudit, before), AuditEntries)).entries

    async def figures(self) -> Figures:
        """Return what is stored, and how the server is.

        Raises RequestRefused: operator_only.
        """
        return await self._client.request(ShowFigures(), Figures)

    async def list_reports(self, before: int = 0, *, closed: bool = False) -> tuple[Report, ...]:
        """Return up to 10 open reports (or closed ones) before this number (0: the latest), the latest first.

        Raises RequestRefused: operator_only.
        """
        return (await self._client.request(self._client.build(ListReports, before, closed), Reports)).reports

    async def close_report(self, number: int, note: str = "") -> None:
        """Close a report, with a note (at most 300 characters) for other operators; one that is closed stays as it is.

        Raises RequestRefused: operator_only, report_unknown.
        """
        await self._client.request(self._client.build(CloseReport, number, note), Done)
