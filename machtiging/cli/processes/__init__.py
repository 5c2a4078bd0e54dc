"""The processes of `serve`: workers, what holds a port, and the embedded database beside them."""
