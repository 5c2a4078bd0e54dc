"""A colleague stands in for an absent employee: make, list and end, with REST endpoints."""
