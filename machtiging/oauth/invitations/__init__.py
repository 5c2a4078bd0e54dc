"""Invitations to register: initial access tokens (RFC 7591 section 3), and their administration."""
