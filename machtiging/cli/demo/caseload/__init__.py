"""The second story: a caseload on Monday morning, over real HTTP."""
