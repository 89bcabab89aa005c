"""What is measured: one module per scenario of `python -m bench`."""
