"""`make cluster-demo`: three nodes on one PostgreSQL and one Redis, one of which is killed in the middle."""
