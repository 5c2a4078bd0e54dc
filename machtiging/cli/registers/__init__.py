"""Commands that take files: events of registers, and the register of organisations."""
