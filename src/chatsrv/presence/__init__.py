"""Who is online and who is typing: hints, coalesced and dropped first under load."""
