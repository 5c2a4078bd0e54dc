"""Texts that the operator of an installation writes: help telephone, help points, planned changes.

They come from settings and from two YAML files, read once at the start. `practice/` has invented ones for the practice
world; production refuses to start with those. Every text is in Dutch and in English.
"""
