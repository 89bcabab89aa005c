"""Transaction scripts for money: the ledger, red packets, openings, payouts, and their audit."""
