"""Authentication: password hashes, limits of guesses and rates, and the addresses that requests come from."""
