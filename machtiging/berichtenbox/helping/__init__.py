"""Helpers in the box of another person: their notes with letters."""
