"""Following groups: every event once and in order, and what a person sees of it."""
