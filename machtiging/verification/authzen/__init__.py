"""OpenID AuthZEN Authorization API 1.0: evaluations, searches and metadata over decision points.

The HTTP layer knows nothing of what decides: a `DecisionPoint` does. A tenant is a decision point from a folder of the
operator (`tenants.py`).
"""
