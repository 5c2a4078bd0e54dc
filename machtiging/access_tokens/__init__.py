"""Issued access tokens: their rows, their sender constraint, and the check of a presented token.

`tokens` inserts and reads rows. `bearer` authenticates the token of a request. Acts are plain strings here, and the
machtiging of a token is a `representation.Representation`: who acts for whom is decided elsewhere.
"""
