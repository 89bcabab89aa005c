"""The HTTP side: media up and down, and health and metrics on a listener of their own. Hypercorn and Starlette on Trio."""
