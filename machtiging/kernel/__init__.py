"""Value types shared by all packages: numbers, periods, ids, errors. No I/O, no framework."""
