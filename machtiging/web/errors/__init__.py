"""Errors as HTTP responses: handlers, problem details, error pages and challenges."""
