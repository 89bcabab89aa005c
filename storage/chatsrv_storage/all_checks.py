"""All that `check` and `audit` look at, in one place for the command line and the tests."""

from typing import Final

from chatsrv_storage import audit, history, ledger, media, membership_check, packet_audit, payouts, row_checksums
from chatsrv_storage.check import Check

BOOKS: Final[tuple[Check, ...]] = (ledger.check, packet_audit.check, payouts.check)
"""Balances, packets, draws and payouts."""

ALL: Final[tuple[Check, ...]] = (
    row_checksums.check,
    history.check,
    membership_check.check,
    membership_check.check_accounts,
    media.check,
    audit.check,
    *BOOKS,
)
