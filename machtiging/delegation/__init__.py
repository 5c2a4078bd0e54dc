"""The life of a Machtiging: offered, accepted, paused, ended; what it covers, and the code that hands it over."""
