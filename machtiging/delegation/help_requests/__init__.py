"""Help requests: a relative requests a machtiging, and the citizen answers."""
