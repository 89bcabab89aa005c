"""One connection that heals: dialling, the handshake, requests and their answers, and coming back."""
