"""The outbox: telling people what was done in their name, once it is certain that it was done."""
