"""The authorization endpoint: pushed requests, the consent page, decisions, grants and codes."""
