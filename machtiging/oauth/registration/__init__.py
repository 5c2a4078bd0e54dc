"""Clients that register themselves (RFC 7591, 7592), the operator who lets them in, and the keys that they publish."""
