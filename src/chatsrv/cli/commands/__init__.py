"""One module per subject of the command line."""
