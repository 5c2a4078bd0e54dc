"""The journal: who did what for whom, and why it was allowed or refused. Append-only, numbered, chained and signed."""
