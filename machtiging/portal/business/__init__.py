"""Pages of a director of a business: its letters, and who helps it."""
