"""Database connections: their URL, their guard, and greenlets that wait for them."""
