"""Access history, "Wie keek er mee": the page about each access, and its files."""
