"""What a token is worth at this instant, told to who may know (RFC 7662), plainly or signed (RFC 9701)."""
