"""Joining and leaving a team, with the links of its members."""
