"""The data that a run starts from: people, groups, messages."""
