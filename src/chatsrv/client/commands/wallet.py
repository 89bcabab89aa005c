"""Commands about the user's own wallet. Amounts are integer cents."""

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.redpack import Balance, GrantMoney, ShowBalance, ShowStatement, Statement, Withdraw, Withdrawn


class WalletCommands(Subject):
    """Commands about the user's wallet."""

    async def balance(self) -> int:
        """Return the cents in the user's wallet."""
        found: Balance = await self._client.request(self._client.build(ShowBalance), Balance)
        return found.cents

    async def statement(self, *, before: int = 0, limit: int = 50) -> Statement:
        """Return a page of at most `limit` (1 to 200) transfers, the latest first.

        `before` is the last transfer id of the page before; 0 begins at the latest.
        """
        return await self._client.request(self._client.build(ShowStatement, before, limit), Statement)

    async def grant(self, name: str, cents: int) -> int:
        """Add cents to a user's wallet (needs an operator); return the user's new balance.

        Raises RequestRefused: operator_only, user_unknown, balance_too_large.
        """
        granted: Balance = await self._client.request(self._client.change(GrantMoney, name, cents), Balance)
        return granted.cents

    async def withdraw(self, cents: int) -> Withdrawn:
        """Withdraw cents through the server's payment provider.

        Raises RequestRefused: insufficient_funds, session_ended.
        """
        return await self._client.request(self._client.change(Withdraw, cents), Withdrawn)
