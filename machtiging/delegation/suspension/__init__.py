"""The emergency stop: a suspension by the giver of all reading by others."""
