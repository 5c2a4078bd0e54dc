"""Token introspection as JSON (RFC 7662) or as a signed JWT (RFC 9701).

One way for every request: load the client, decide without the database, then commit in one statement. It checks again
that the client is as it was, consumes the assertion, and reads the token. After a change all is done again.
"""
