"""Clients who wait for a reader: the rows of a hand-over and their locks."""
