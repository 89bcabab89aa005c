"""Ways of carrying frames: the port, its implementations, and the outbox that all writing goes through."""
