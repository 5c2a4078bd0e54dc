"""Import of organisations and first administrators from CSV, shown before it is done."""
