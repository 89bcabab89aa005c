"""A self-hosted group-chat server on Trio."""
