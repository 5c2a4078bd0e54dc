"""Invitation of an employee by a link in an e-mail, accepted after a login."""
