"""The bytes of media over HTTP: uploads that resume, downloads by ranges."""
