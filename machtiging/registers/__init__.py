"""Intake of register events about representation: over the API and by signed file."""
