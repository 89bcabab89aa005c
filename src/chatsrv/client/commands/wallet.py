"""One's own wallet. Amounts are integer cents."""

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.redpack import Balance, GrantMoney, ShowBalance, ShowStatement, Statement, Withdraw, Withdrawn


class WalletCommands(Subject):
    """The wallet of the user."""

    async def balance(self) -> int:
        """Cents in my wallet."""
        found: Balance = await self._client.request(self._client.build(ShowBalance), Balance)
        return found.cents

    async def statement(self, *, before: int = 0, limit: int = 50) -> Statement:
        """A page of my transfers, the latest first; `before` is the last transfer id of the page before."""
        return await self._client.request(self._client.build(ShowStatement, before, limit), Statement)

    async def grant(self, name: str, cents: int) -> int:
        """Top somebody's wallet up (an operator's right); answers their new balance."""
        granted: Balance = await self._client.request(self._client.change(GrantMoney, name, cents), Balance)
        return granted.cents

    async def withdraw(self, cents: int) -> Withdrawn:
        """Pay money out through the server's payment provider."""
        return await self._client.request(self._client.change(Withdraw, cents), Withdrawn)
