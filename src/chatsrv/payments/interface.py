"""The port to a payment provider: asked at least once about each withdrawal, until it settles or reverses it."""

from enum import Enum
from typing import Protocol

from chatsrv_storage.money.payouts import Payout


class PayoutResult(Enum):
    """What became of a payout."""

    PAID = "paid"
    REFUSED = "refused"
    LATER = "later"
    """Nothing is known, or it is under way: ask again."""


class PaymentProvider(Protocol):
    """A payment provider. It is asked again after a crash or a lost answer, so it goes by the withdrawal's id."""

    async def pay(self, payout: Payout) -> PayoutResult:
        """Try to pay once. Raises nothing; after a cancel the outcome is not known. The caller sets the deadline."""
        ...


class NoProvider:
    """Pays nothing: withdrawals wait, and can be concluded once a provider is configured."""

    async def pay(self, payout: Payout) -> PayoutResult:
        """Return LATER."""
        del payout
        return PayoutResult.LATER
