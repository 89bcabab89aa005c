"""The connection of a client: dialling, the handshake, requests and their answers, and reconnecting."""
