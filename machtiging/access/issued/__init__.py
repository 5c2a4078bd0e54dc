"""Queries on issued tokens: optimistic lock, exchange chain and retention."""
