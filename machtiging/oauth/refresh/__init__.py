"""Refresh tokens: opt-in per client, one-time use, with reuse detection per token family."""
