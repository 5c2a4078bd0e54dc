"""Amendments of what is agreed by the giver alone: narrower, or longer."""
