"""Renewals: an organisation asks its clients to let a machtiging run longer."""
