"""Authlib, behind one door: requests go in as plain parameters, answers come out, and tokens never reach a log."""

import logging

# Authlib logs whole token responses at DEBUG. Whoever turns the root logger up must not get them (CWE-532).
logging.getLogger("authlib").setLevel(logging.WARNING)
