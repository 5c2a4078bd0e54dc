"""Pages without a login: help, accessibility, privacy, changes, reading aid, safety."""
