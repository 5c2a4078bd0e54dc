"""Token exchange (RFC 8693): a second service in the chain gets a token of its own, for less, and for no longer."""
