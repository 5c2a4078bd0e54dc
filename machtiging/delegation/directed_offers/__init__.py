"""Offers of a citizen to one organisation, which accepts or refuses them without a code."""
