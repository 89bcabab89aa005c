"""Bytes of media over HTTP: uploads that resume, downloads by ranges."""
