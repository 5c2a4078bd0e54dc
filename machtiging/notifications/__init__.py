"""Transactional outbox: notify people by e-mail about committed actions in their name."""
