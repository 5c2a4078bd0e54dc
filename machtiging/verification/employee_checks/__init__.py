"""Checks by an employee of an agency, with a code."""
