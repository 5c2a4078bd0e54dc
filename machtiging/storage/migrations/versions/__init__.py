"""Alembic migrations: each in plain SQL, so that what the database enforces can be read in one place."""
