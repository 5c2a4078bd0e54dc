"""Machtigingen for the auditor and the privacy officer: figures without people."""
