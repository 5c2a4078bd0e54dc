"""Keys that clients publish at their `jwks_uri`: fetching them, within limits (RFC 7591 section 2)."""
