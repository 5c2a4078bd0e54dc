"""Verification codes: one agency asks once with a code of citizen or helper."""
