"""All that `check` and `audit` look at, in one place for the command line and the tests."""

from typing import Final

from chatsrv_storage import membership_check, row_checksums
from chatsrv_storage.accounts import audit_log
from chatsrv_storage.engine.check import Check
from chatsrv_storage.messages import history, media
from chatsrv_storage.money import ledger, packet_audit, payouts

BOOKS: Final[tuple[Check, ...]] = (ledger.check, packet_audit.check, payouts.check)
"""Balances, packets, draws and payouts."""

ALL: Final[tuple[Check, ...]] = (
    row_checksums.check,
    history.check,
    membership_check.check,
    membership_check.check_accounts,
    media.check,
    audit_log.check,
    *BOOKS,
)
