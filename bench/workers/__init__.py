"""Child processes of a run, and what they share: load, listeners, connections, the floor."""
