"""Verification on the portal: codes of citizen and helper, and the check by an agency."""
