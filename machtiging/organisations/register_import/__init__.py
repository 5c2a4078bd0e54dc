"""Import of organisations and first administrators from CSV: read, plan, show, then do what was shown."""
