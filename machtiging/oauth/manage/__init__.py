"""Consents in force, seen and ended: by the client that holds one, and by the people whom they are about."""
