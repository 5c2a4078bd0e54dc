"""Oversight by the auditor and the privacy officer: policy versions, unusual use, opening a record."""
