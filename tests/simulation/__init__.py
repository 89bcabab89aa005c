"""The deterministic simulation of a whole server with its clients: see docs/promises.md."""
