"""The journal: an append-only audit log of actions and refusals, numbered, hash-chained and signed."""
