"""Who is at the keyboard: login at a broker, the session that follows, the level of assurance, and the people."""
