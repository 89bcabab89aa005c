"""What each command does: a table from the wire's classes to handlers, one module per subject."""
