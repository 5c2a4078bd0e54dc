"""The database: engine, embedded server, unit of work and migrations. PostgreSQL only."""
