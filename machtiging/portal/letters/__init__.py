"""The citizen's letters: list, search, one letter, marks, and sharing one letter."""
