"""Connections: the URL they are opened with, and the guard that verifies each and gives up stale ones."""
