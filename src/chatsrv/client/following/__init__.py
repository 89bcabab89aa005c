"""Following groups: every event once and in order, and the view of a group that a person sees."""
