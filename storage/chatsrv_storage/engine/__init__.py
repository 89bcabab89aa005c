"""The database engine: connections in threads, jobs, group commit, readers, the data folder. Knows no subject."""
