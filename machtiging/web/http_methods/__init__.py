"""Methods that no route names: HEAD beside GET (RFC 9110 section 9.3.2), and preflights of other origins (CORS)."""
