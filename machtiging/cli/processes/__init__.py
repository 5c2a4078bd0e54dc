"""The processes of `machtiging serve`: servers, workers, port and embedded database."""
