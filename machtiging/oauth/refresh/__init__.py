"""Refresh tokens: off by default, good once, and every one of a family dies when one of them is seen twice."""
