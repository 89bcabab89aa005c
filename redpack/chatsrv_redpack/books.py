"""Recompute every balance from the transfers alone and name, in sentences, whatever in the stored books is wrong.

The audit believes nothing: it reads plain rows, as they lie in the database, since a row that was damaged could not be
made into a `Transfer` any more and is exactly what it looks for. It goes on after the first problem, so that one run
tells the operator everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chatsrv_redpack.errors import Code, InvalidError, Problem
from chatsrv_redpack.ledger import Account, Posting, Transfer, TransferKind, parse_account
from chatsrv_redpack.money import MAX_CENTS


class TransferRow(NamedTuple):
    """A transfer as stored, unchecked."""

    id: object
    kind: object
    postings: Sequence[tuple[object, object]]
    """Account as text (`wallet:7`) and cents."""
    at_ms: object


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit read and found.

    Attributes:
        transfers: how many rows were read.
        balances: what each account must hold, in cents, by the readable transfers.
        problems: in the order found; empty means that the books are right.
    """

    transfers: int
    balances: Mapping[Account, int]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def row_of(transfer: Transfer) -> TransferRow:
    """Answer a transfer in the form in which the audit reads it and a table holds it."""
    postings = tuple((str(account), cents) for account, cents in transfer.postings)
    return TransferRow(transfer.id, transfer.kind.value, postings, transfer.at_ms)


def read_row(row: TransferRow) -> Transfer:
    """Make a stored row a transfer again.

    Raises:
        InvalidError: where it is none, does not sum to zero or takes a route that its kind has not.
    """
    kinds = {kind.value: kind for kind in TransferKind}
    if type(row.kind) is not str or row.kind not in kinds:
        raise InvalidError(Code.BAD_TRANSFER, f"unknown kind {row.kind!r:.40}", "kind")
    if len(row.postings) != 2:
        raise InvalidError(Code.BAD_TRANSFER, f"{len(row.postings)} postings where a transfer has two", "postings")
    giver, receiver = (Posting(parse_account(account), _whole(cents)) for account, cents in row.postings)
    return Transfer(_whole(row.id), kinds[row.kind], (giver, receiver), _whole(row.at_ms))


def audit(transfers: Iterable[TransferRow], balances: Mapping[Account, int]) -> Audit:
    """Compare the stored balances with what the transfers say.

    Args:
        transfers: every row, in the order in which they were committed.
        balances: every stored balance, in cents.

    Returns:
        The recomputed balances and each problem, with one of these codes: `bad_transfer` (a row that cannot be read,
        does not sum to zero or takes a wrong route), `duplicate_transfer`, `overdraft` (an account other than the
        issuer's was below zero after some transfer), `wrong_balance`, `wrong_sum` (the stored balances do not sum to
        zero).
    """
    problems: list[Problem] = []
    computed: dict[Account, int] = {}
    seen: dict[int, None] = {}
    overdrawn: dict[Account, None] = {}
    read = 0
    for row in transfers:
        read += 1
        try:
            transfer = read_row(row)
        except InvalidError as error:
            problems.append(Problem("bad_transfer", f"transfer {row.id!r:.40}", error.message))
            continue
        if transfer.id in seen:
            problems.append(Problem("duplicate_transfer", f"transfer {transfer.id}", "this id was used before"))
            continue
        seen[transfer.id] = None
        for account, cents in transfer.postings:
            computed[account] = computed.get(account, 0) + cents
            if computed[account] < 0 and not account.may_be_negative and account not in overdrawn:
                overdrawn[account] = None
                message = f"transfer {transfer.id} left it at {computed[account]} cents"
                problems.append(Problem("overdraft", str(account), message))
    problems.extend(_compare(computed, balances))
    return Audit(read, computed, tuple(problems))


def _compare(computed: Mapping[Account, int], balances: Mapping[Account, int]) -> Iterable[Problem]:
    for account in [*computed, *(account for account in balances if account not in computed)]:
        stored, right = balances.get(account, 0), computed.get(account, 0)
        if type(stored) is not int or abs(stored) > MAX_CENTS:
            yield Problem("wrong_balance", str(account), f"stored {stored!r:.40} is not a whole number of cents")
        elif stored != right:
            yield Problem("wrong_balance", str(account), f"stored {stored} cents, the transfers make {right}")
    total = sum(balance for balance in balances.values() if type(balance) is int)
    if total:
        yield Problem("wrong_sum", "all accounts", f"the stored balances sum to {total} cents instead of zero")


def _whole(value: object) -> int:
    """Let the constructors refuse what is out of bounds; here only the type is settled."""
    if type(value) is not int:
        raise InvalidError(Code.BAD_VALUE, f"{value!r:.40} is not a whole number", None)
    return value
