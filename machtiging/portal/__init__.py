"""Screens for citizens and helpers, in plain Dutch. No business rules: pages ask the packages below, and show."""
