"""Alembic migrations in plain SQL, so that database constraints are readable in one place."""
