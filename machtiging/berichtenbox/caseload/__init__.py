"""The clients of an employee and the letters in all their boxes. Each list is what may be read now."""
