"""Keep the books by double entry: every movement of money is an immutable transfer whose postings sum to zero.

Accounts and what moves between them:

    grant      issuer             -> wallet:USER         an operator tops a wallet up
    send       wallet:SENDER      -> escrow:PACKET       a packet is sent
    open       escrow:PACKET      -> wallet:USER         somebody opens a share
    refund     escrow:PACKET      -> wallet:SENDER       a packet expires
    withdraw   wallet:USER        -> pending:WITHDRAWAL  money waits for the payment provider
    settled    pending:WITHDRAWAL -> issuer              the provider paid it out
    reversed   pending:WITHDRAWAL -> wallet:USER        the provider could not

Rules. (1) No account but the issuer's goes below zero; the issuer's balance is minus all money in circulation, so the
sum of all balances is zero at every moment. (2) A transfer id is used once. (3) Every packet has an escrow and every
withdrawal a pending account of its own: whoever pays a share too many, refunds twice or settles what was reversed would
take that account below zero, so rule 1 refuses it even where the state machine above it has a bug.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from chatsrv_redpack.checks import MAX_ID, check_id, check_ms
from chatsrv_redpack.errors import Code, CorruptError, InvalidError, RefusedError
from chatsrv_redpack.money import MAX_CENTS, check_cents, format_cents


class AccountKind(StrEnum):
    """Whose money an account holds."""

    ISSUER = "issuer"
    """Where money enters and leaves; one account, the only one below zero."""
    WALLET = "wallet"
    """A user's."""
    ESCROW = "escrow"
    """A packet's: what is not opened yet."""
    PENDING = "pending"
    """A withdrawal's, until the payment provider has answered."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account, written `wallet:7`, `escrow:9`, `pending:11` or `issuer`.

    Attributes:
        kind: whose money it holds.
        id: of the user, the packet or the withdrawing transfer; 0 for the issuer.
    """

    kind: AccountKind
    id: int = 0

    def __post_init__(self) -> None:
        """Refuse a kind or an id that is none."""
        if type(self.kind) is not AccountKind:
            raise InvalidError(Code.BAD_VALUE, f"account kind must be one of {', '.join(AccountKind)}", "kind")
        if self.kind is AccountKind.ISSUER:
            if type(self.id) is not int or self.id != 0:
                raise InvalidError(Code.BAD_ID, "there is one issuer, and its id is 0", "id")
        else:
            # Packet ids begin at 0 (the published fairness vector has one), those of users and transfers at 1.
            check_id(self.id, "id", low=0 if self.kind is AccountKind.ESCROW else 1)

    @property
    def may_be_negative(self) -> bool:
        """Whether its balance may be below zero: the issuer's alone."""
        return self.kind is AccountKind.ISSUER

    def __str__(self) -> str:
        return self.kind.value if self.kind is AccountKind.ISSUER else f"{self.kind}:{self.id}"


ISSUER: Final = Account(AccountKind.ISSUER)

_HOLDER: Final = {
    AccountKind.ISSUER: "the server",
    AccountKind.WALLET: "the wallet",
    AccountKind.ESCROW: "the red packet",
    AccountKind.PENDING: "the withdrawal",
}
"""What a sentence for a person calls an account: its own name is for operators and audits."""

assert _HOLDER.keys() == set(AccountKind), "every kind of account has a name for people"


def wallet(user_id: int) -> Account:
    """Answer the account of a user (id from 1), or raise `InvalidError`."""
    return Account(AccountKind.WALLET, user_id)


def escrow(packet_id: int) -> Account:
    """Answer the account of a packet (id from 0), or raise `InvalidError`."""
    return Account(AccountKind.ESCROW, packet_id)


def pending(withdrawal_id: int) -> Account:
    """Answer the account of a withdrawal, named by its transfer id (from 1), or raise `InvalidError`."""
    return Account(AccountKind.PENDING, withdrawal_id)


def parse_account(text: object) -> Account:
    """Read what `str(account)` wrote, and nothing else.

    Raises:
        InvalidError: BAD_VALUE or BAD_ID.
    """
    if type(text) is str:
        kind, colon, digits = text.partition(":")
        if text == AccountKind.ISSUER.value:
            return ISSUER
        # The length is looked at first: int() of a million digits takes its time.
        if colon and len(digits) <= len(str(MAX_ID)) and digits.isascii() and digits.isdigit():
            for known in AccountKind:
                if known.value == kind and known is not AccountKind.ISSUER and str(int(digits)) == digits:
                    return Account(known, int(digits))
    raise InvalidError(Code.BAD_VALUE, "an account is written wallet:ID, escrow:ID, pending:ID or issuer", "account")


class TransferKind(StrEnum):
    """Why money moved; `ROUTES` says between which kinds of account."""

    GRANT = "grant"
    SEND = "send"
    OPEN = "open"
    REFUND = "refund"
    WITHDRAW = "withdraw"
    SETTLED = "settled"
    REVERSED = "reversed"


ROUTES: Final[dict[TransferKind, tuple[AccountKind, AccountKind]]] = {
    TransferKind.GRANT: (AccountKind.ISSUER, AccountKind.WALLET),
    TransferKind.SEND: (AccountKind.WALLET, AccountKind.ESCROW),
    TransferKind.OPEN: (AccountKind.ESCROW, AccountKind.WALLET),
    TransferKind.REFUND: (AccountKind.ESCROW, AccountKind.WALLET),
    TransferKind.WITHDRAW: (AccountKind.WALLET, AccountKind.PENDING),
    TransferKind.SETTLED: (AccountKind.PENDING, AccountKind.ISSUER),
    TransferKind.REVERSED: (AccountKind.PENDING, AccountKind.WALLET),
}

assert ROUTES.keys() == set(TransferKind), "every kind of transfer has a route"


class Posting(NamedTuple):
    """One line of a transfer: what it adds to an account, in cents; negative takes away."""

    account: Account
    cents: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """One movement of money, valid from construction on: it sums to zero and takes the route of its kind.

    Attributes:
        id: from 1 to 2**63-1, used once in a whole ledger.
        kind: why.
        postings: first the account that gives (negative), then the one that receives (positive).
        at_ms: when, in milliseconds since the Unix epoch; for people, the ledger's order is that of its commits.
    """

    id: int
    kind: TransferKind
    postings: tuple[Posting, Posting]
    at_ms: int

    def __post_init__(self) -> None:
        """Refuse whatever would not balance."""
        check_id(self.id, "id")
        check_ms(self.at_ms, "at_ms")
        if type(self.kind) is not TransferKind:
            raise InvalidError(Code.BAD_TRANSFER, f"kind must be one of {', '.join(TransferKind)}", "kind")
        if len(self.postings) != 2:
            raise InvalidError(Code.BAD_TRANSFER, "a transfer has two postings: who gives and who receives", "postings")
        giver, receiver = self.postings
        check_cents(receiver.cents, "cents", low=1)
        check_cents(giver.cents, "cents", low=-MAX_CENTS)
        if giver.cents + receiver.cents:
            raise InvalidError(Code.BAD_TRANSFER, "the postings of a transfer sum to zero", "postings")
        if (giver.account.kind, receiver.account.kind) != ROUTES[self.kind]:
            source, target = ROUTES[self.kind]
            message = f"a transfer of kind {self.kind} goes from {source} to {target}"
            raise InvalidError(Code.BAD_TRANSFER, message, "postings")
        if giver.account.kind is AccountKind.PENDING and giver.account.id == self.id:
            raise InvalidError(Code.BAD_TRANSFER, "the answer to a withdrawal has an id of its own", "id")

    @property
    def cents(self) -> int:
        """The amount moved, positive."""
        return self.postings[1].cents

    @property
    def giver(self) -> Account:
        """Where the money comes from."""
        return self.postings[0].account

    @property
    def receiver(self) -> Account:
        """Where the money goes."""
        return self.postings[1].account


def move(transfer_id: int, kind: TransferKind, giver: Account, receiver: Account, cents: int, at_ms: int) -> Transfer:
    """Build a transfer of any kind; the functions below name its ends for you.

    Raises:
        InvalidError: BAD_AMOUNT, BAD_ID, BAD_TIME or BAD_TRANSFER.
    """
    check_cents(cents, "cents", low=1)
    return Transfer(transfer_id, kind, (Posting(giver, -cents), Posting(receiver, cents)), at_ms)


def grant(transfer_id: int, user_id: int, cents: int, at_ms: int) -> Transfer:
    """Top a user's wallet up from the issuer; errors as `move`."""
    return move(transfer_id, TransferKind.GRANT, ISSUER, wallet(user_id), cents, at_ms)


def fund_packet(transfer_id: int, sender_id: int, packet_id: int, cents: int, at_ms: int) -> Transfer:
    """Move a packet's total from its sender's wallet into its escrow; errors as `move`."""
    return move(transfer_id, TransferKind.SEND, wallet(sender_id), escrow(packet_id), cents, at_ms)


def pay_share(transfer_id: int, packet_id: int, user_id: int, cents: int, at_ms: int) -> Transfer:
    """Pay an opened share from the packet's escrow into a wallet; errors as `move`."""
    return move(transfer_id, TransferKind.OPEN, escrow(packet_id), wallet(user_id), cents, at_ms)


def refund(transfer_id: int, packet_id: int, sender_id: int, cents: int, at_ms: int) -> Transfer:
    """Give what an expired packet still holds back to its sender; errors as `move`."""
    return move(transfer_id, TransferKind.REFUND, escrow(packet_id), wallet(sender_id), cents, at_ms)


def withdraw(transfer_id: int, user_id: int, cents: int, at_ms: int) -> Transfer:
    """Set money aside for the payment provider; this transfer's id names the withdrawal. Errors as `move`."""
    return move(transfer_id, TransferKind.WITHDRAW, wallet(user_id), pending(transfer_id), cents, at_ms)


def settle(transfer_id: int, withdrawal_id: int, cents: int, at_ms: int) -> Transfer:
    """Book that the provider has paid a withdrawal out; errors as `move`."""
    return move(transfer_id, TransferKind.SETTLED, pending(withdrawal_id), ISSUER, cents, at_ms)


def reverse(transfer_id: int, withdrawal_id: int, user_id: int, cents: int, at_ms: int) -> Transfer:
    """Give a withdrawal that the provider refused back to its user; errors as `move`."""
    return move(transfer_id, TransferKind.REVERSED, pending(withdrawal_id), wallet(user_id), cents, at_ms)


def apply(balances: Mapping[Account, int], transfer: Transfer) -> dict[Account, int]:
    """Answer the new balances of the two accounts that a transfer touches; the caller writes these two rows.

    Args:
        balances: cents by account; needs to hold the two accounts only, and an absent one holds nothing.
        transfer: must not have been applied before; whoever stores it sees to that by its unique id.

    Raises:
        RefusedError: INSUFFICIENT_FUNDS where an account would go below zero, BALANCE_TOO_LARGE beyond 2**53-1.
        CorruptError: a balance that is no whole number of cents.
    """
    changed: dict[Account, int] = {}
    for account, cents in transfer.postings:
        before = balances.get(account, 0)
        if type(before) is not int:
            raise CorruptError(f"the stored balance of {account} is not a whole number of cents", "balances")
        after = before + cents
        if after < 0 and not account.may_be_negative:
            # The sum itself goes to the owner alone; who reads this sentence is the one who wants to spend.
            held, needed = format_cents(before), format_cents(-cents)
            message = f"{_HOLDER[account.kind]} holds {held}, and {needed} is needed"
            raise RefusedError(Code.INSUFFICIENT_FUNDS, message, "cents")
        if abs(after) > MAX_CENTS:
            raise RefusedError(
                Code.BALANCE_TOO_LARGE,
                f"{_HOLDER[account.kind]} cannot hold more than {format_cents(MAX_CENTS)}",
                "cents",
            )
        changed[account] = after
    return changed
