"""Outbound requests: TLS, and protection against SSRF.

URLs from others are, for example, the JWKS and the logout URI of a client.
"""
