"""Pages of a helper: the people they help, their letters, and the helper's own acts."""
