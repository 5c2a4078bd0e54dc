"""Letters for the decision point of the box: envelopes only, never content."""
