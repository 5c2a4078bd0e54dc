"""Database connections: their URL, and the guard that verifies new ones and discards stale ones."""
