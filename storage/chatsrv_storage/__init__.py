"""Everything that survives a restart: jobs on a database, committed in groups, behind one port. See README.md."""
