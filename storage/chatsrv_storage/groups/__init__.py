"""Transaction scripts for groups: members, permissions, rules, ways in, and the transaction that orders a group."""
