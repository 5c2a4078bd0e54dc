"""Verification: agencies ask if somebody may act for somebody, and get a signed answer."""
