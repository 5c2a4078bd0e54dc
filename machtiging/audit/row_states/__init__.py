"""Rows against the journal: each row has the MAC that its newest journal line names."""
