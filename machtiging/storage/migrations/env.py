"""Run the migrations on a connection from `storage.migration_runner`, as the owner of the tables."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Run migrations with `machtiging migrate`: it picks the database and the roles.")

context.configure(connection=connection, target_metadata=SQLModel.metadata, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
