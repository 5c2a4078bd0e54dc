"""Casbin policies of AuthZEN tenants, apart from the policy of the box."""
