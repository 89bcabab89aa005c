"""The client's methods, one module per subject of the wire."""
