"""The frame around every page: its assets, its menu, and the switch of language."""
