"""After a key rotation: rewrap data keys, seal rows again, write the journal line."""
