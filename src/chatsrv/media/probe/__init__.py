"""What a file is, and its preview: found out in confined worker processes."""
