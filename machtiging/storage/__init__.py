"""The database: engine, embedded server, unit of work and migrations. Speaks PostgreSQL and nothing else."""
