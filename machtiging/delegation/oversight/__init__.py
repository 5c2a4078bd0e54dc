"""Machtigingen for the auditor and the privacy officer: figures, and those of one record."""
