"""Oversight by the auditor and the privacy officer: the versions of the policy."""
