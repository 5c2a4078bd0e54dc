"""Values that every other package speaks: numbers, periods, ids, errors. No I/O and no framework in here."""
