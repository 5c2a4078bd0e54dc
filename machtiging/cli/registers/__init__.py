"""`machtiging register-events`: what registers tell about representation by law or court."""
