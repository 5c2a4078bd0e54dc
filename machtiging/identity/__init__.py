"""Login at an OpenID Connect broker, login sessions, levels of assurance, and people."""
