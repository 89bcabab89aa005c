"""Where the bytes of media live: one interface, a local folder and S3."""
