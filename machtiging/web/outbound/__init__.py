"""Visiting addresses that somebody else gave us (a client's keys, its logout address) without being led astray."""
