"""HTTP methods without a route of their own: HEAD (RFC 9110 section 9.3.2) and CORS preflights."""
