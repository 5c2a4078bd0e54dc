"""Dynamic client registration (RFC 7591, 7592) and its approval by an operator."""
