"""The token endpoint in two statements: one that looks, one that does everything if what was seen still stands.

Only a plain yes is given here. Whatever is not one is asked again in a transaction, where every refusal is decided,
written down and answered (docs/decisions/0007).
"""
