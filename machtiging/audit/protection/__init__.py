"""Database protection of the journal: the baseline, and deviations from it."""
