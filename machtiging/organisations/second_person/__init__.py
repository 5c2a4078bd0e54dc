"""Four eyes: when an act needs a second person, and who counts as one."""
