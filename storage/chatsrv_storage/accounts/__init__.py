"""Transaction scripts for accounts: people, sessions, profiles, and the audit log of operators."""
