"""Work without a request: the heartbeats of the workers that do it."""
