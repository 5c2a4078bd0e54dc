"""Token introspection as JSON (RFC 7662) or as a signed JWT (RFC 9701)."""
