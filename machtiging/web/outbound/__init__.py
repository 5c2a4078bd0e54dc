"""Outbound requests to URLs from others (client JWKS, logout URI), protected against SSRF."""
