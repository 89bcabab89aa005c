"""Connections: accepting them, reading their commands, and ending them."""
