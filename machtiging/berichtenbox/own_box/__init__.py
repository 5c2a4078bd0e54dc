"""The own box of a citizen: folders, search, and who opened a letter."""
