"""The protection of the journal in the database: as it was made, and as it is found."""
