"""The rules for what a client may register (RFC 7591). Pure."""
