"""Agencies verify: is this machtiging true, now. On the Authority, never on rows."""
