"""The journal of one person: equal lines grouped, and counts of each week."""
