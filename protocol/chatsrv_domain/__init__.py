"""What server, storage and clients mean by the same words, without the wire's bytes and without SQL."""
