"""The storage on PostgreSQL 15 and newer: the same jobs, with other nodes beside this one (docs/cluster.md)."""
