"""Simulators for practice only, in one application: a login broker and a mail catcher."""
