"""Organisations: recognition by two operators, employees with roles, teams and stand-ins."""
