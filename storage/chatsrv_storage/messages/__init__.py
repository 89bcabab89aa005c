"""Transaction scripts for messages: posting, history, edits, reactions, receipts, search, media."""
